package resources

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-command/sdk/go/command/local"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components/spec"
)

// Program is the path of the kubetracing binary, relative to the folder of the
// Pulumi program, in which Pulumi runs commands.
type Program string

// Command returns the shell command that runs one of the binary's commands.
func (p Program) Command(arguments ...string) string {
	quoted := []string{Quote(string(p))}
	for _, argument := range arguments {
		quoted = append(quoted, Quote(argument))
	}
	return strings.Join(quoted, " ")
}

// CommandArgs describe a command of the kubetracing binary.
type CommandArgs struct {
	// Create is the command with its arguments, such as container wait. Required.
	Create []string
	// Update is the command that a change of the document or of the
	// environment runs; Create by default.
	Update []string
	// Delete is a shell script that works when the binary is gone. Optional.
	Delete string
	// Document is what the command reads on its standard input. Optional.
	Document any
	// Environment carries what is only known once another resource exists. Optional.
	Environment pulumi.StringMap
	// Triggers replace the resource when they change. Optional.
	Triggers pulumi.Array
}

// NewCommand runs a command of the kubetracing binary.
func NewCommand(
	ctx *pulumi.Context, name string, program Program, args CommandArgs, opts ...pulumi.ResourceOption,
) (*local.Command, error) {
	if args.Update == nil {
		args.Update = args.Create
	}
	command := &local.CommandArgs{
		Create:   pulumi.String(program.Command(args.Create...)),
		Update:   pulumi.String(program.Command(args.Update...)),
		Triggers: args.Triggers,
		Logging:  local.LoggingStderr,
	}
	if args.Environment != nil {
		command.Environment = args.Environment
	}
	if args.Delete != "" {
		command.Delete = pulumi.String(args.Delete)
	}
	if args.Document != nil {
		document, err := spec.Encode(args.Document)
		if err != nil {
			return nil, err
		}
		command.Stdin = pulumi.String(document)
	}
	created, err := local.NewCommand(ctx, name, command, opts...)
	if err != nil {
		return nil, fmt.Errorf("command %q: %w", name, err)
	}
	return created, nil
}
