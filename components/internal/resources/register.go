// Package resources holds what the components have in common: how a component is
// registered, who owns what it creates, and its images, volumes, commands and
// Kubernetes objects.
package resources

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// TokenPrefix begins the type token of every component.
const TokenPrefix = "kubetracing:components:"

// Register registers a component of a kind, such as NodeImage, with its inputs,
// calls build to create its children, and registers its outputs: the fields with a
// pulumi tag. Errors name the component.
func Register[C pulumi.ComponentResource](
	ctx *pulumi.Context, kind, name string, inputs pulumi.Map, component C, opts []pulumi.ResourceOption, build func(C) error,
) (C, error) {
	err := ctx.RegisterComponentResourceV2(TokenPrefix+kind, name, inputs, component, opts...)
	if err == nil {
		err = build(component)
	}
	if err == nil {
		err = ctx.RegisterResourceOutputs(component, outputs(component))
	}
	if err != nil {
		var none C
		return none, fmt.Errorf("%s %q: %w", title(kind), name, err)
	}
	return component, nil
}

// outputs returns the fields of a component that have a pulumi tag, by that tag.
func outputs(component any) pulumi.Map {
	values := pulumi.Map{}
	structure := reflect.ValueOf(component).Elem()
	for i := range structure.NumField() {
		if tag, tagged := structure.Type().Field(i).Tag.Lookup("pulumi"); tagged {
			values[tag] = structure.Field(i).Interface().(pulumi.Output)
		}
	}
	return values
}

// title returns a kind as separate words: node image for NodeImage.
func title(kind string) string {
	var words strings.Builder
	for i, letter := range kind {
		if i > 0 && unicode.IsUpper(letter) {
			words.WriteByte(' ')
		}
		words.WriteRune(unicode.ToLower(letter))
	}
	return words.String()
}

// StringArray returns values as an input.
func StringArray[T ~string](values ...T) pulumi.StringArray {
	array := make(pulumi.StringArray, len(values))
	for i, value := range values {
		array[i] = pulumi.String(value)
	}
	return array
}

// After returns a value that is known at once, and that makes what uses it wait for
// resources.
func After(ctx *pulumi.Context, value string, resources ...pulumi.Resource) pulumi.StringOutput {
	return pulumi.OutputWithDependencies(ctx.Context(), pulumi.String(value).ToStringOutput(), resources...).(pulumi.StringOutput)
}
