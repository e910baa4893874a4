package resources

import (
	"errors"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type monitor struct{}

func (monitor) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	if args.Name == "rejected" {
		return "", nil, errors.New("no such thing")
	}
	return args.Name + "-id", args.Inputs, nil
}

func (monitor) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) { return args.Args, nil }

type testComponent struct {
	pulumi.ResourceState

	URL    pulumi.StringOutput `pulumi:"url"`
	Counts pulumi.IntMapOutput `pulumi:"counts"`
	Plain  string

	hidden string
}

func TestOutputs(t *testing.T) {
	t.Parallel()
	component := &testComponent{
		URL: pulumi.String("http://jaeger").ToStringOutput(), Counts: pulumi.IntMap{"kubelet": pulumi.Int(3)}.ToIntMapOutput(),
		Plain: "plain", hidden: "hidden",
	}
	assert.Equal(t, pulumi.Map{"url": component.URL, "counts": component.Counts}, outputs(component))
}

func TestTitle(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]string{"Jaeger": "jaeger", "NodeImage": "node image", "RuntimeClasses": "runtime classes"} {
		assert.Equal(t, want, title(kind))
	}
}

func TestRegister_Errors(t *testing.T) {
	t.Parallel()
	register := func(name string, build func(*testComponent) error) error {
		return pulumi.RunErr(func(ctx *pulumi.Context) error {
			component, err := Register(ctx, "NodeImage", name, pulumi.Map{}, &testComponent{}, nil, build)
			if err != nil {
				assert.Nil(t, component)
			}
			return err
		}, pulumi.WithMocks("kubetracing", "test", monitor{}))
	}
	err := register("mine", func(*testComponent) error { return errors.New("no bundle") })
	require.ErrorContains(t, err, `node image "mine": no bundle`)

	require.NoError(t, register("mine", func(component *testComponent) error {
		component.URL, component.Counts = pulumi.String("").ToStringOutput(), pulumi.IntMap{}.ToIntMapOutput()
		return nil
	}))
	require.ErrorContains(t, register("rejected", func(*testComponent) error { return nil }), "no such thing")
}

func TestQuote(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"../.kubetracing/bin/kubetracing": "../.kubetracing/bin/kubetracing",
		"node:0123@sha256=1":              "node:0123@sha256=1",
		"":                                "''",
		"a b":                             "'a b'",
		"it's $HOME `id` ; \\":            `'it'\''s $HOME ` + "`id`" + ` ; \'`,
		"two\nlines":                      "'two\nlines'",
	} {
		assert.Equal(t, want, Quote(text))
	}
}

func TestProgram_Command(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "../bin/kubetracing container wait", Program("../bin/kubetracing").Command("container", "wait"))
	assert.Equal(t, "'../my bin/kubetracing' image present 'a b'", Program("../my bin/kubetracing").Command("image", "present", "a b"))
}

func TestScript(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "A=plain\nB='it'\\''s'\necho\n", Script(map[string]string{"B": "it's", "A": "plain"}, "echo\n"))
}
