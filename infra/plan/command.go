package plan

import (
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/kubetracing/kubetracing/stacks"
)

// usage describes the command line.
const usage = `usage: program plan [--root DIR] --stack NAME

Prints everything that the stack NAME would create, without Docker or a network. The
relative paths of its configuration are below DIR, the project's folder, which is the
current one by default`

// Run runs the command line `plan [--root DIR] --stack NAME` and writes the plan to
// stdout.
func Run(arguments []string, compose Compose, stdout io.Writer) error {
	if len(arguments) == 0 || arguments[0] != "plan" {
		return errors.New(usage)
	}
	flags := flag.NewFlagSet("plan", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	root := flags.String("root", ".", "")
	name := flags.String("stack", "", "")
	err := flags.Parse(arguments[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		if _, err := fmt.Fprintln(stdout, usage); err != nil {
			return fmt.Errorf("print usage: %w", err)
		}
		return nil
	case err != nil:
		return fmt.Errorf("arguments: %w", err)
	case *name == "":
		return errors.New("--stack is missing")
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected arguments: %q", flags.Args())
	}
	out, err := Render(*root, *name, compose)
	if err != nil {
		return err
	}
	if _, err := stdout.Write(out); err != nil {
		return fmt.Errorf("print plan: %w", err)
	}
	return nil
}

// Render renders the plan of a stack whose files are in the folder root.
func Render(root, name string, compose Compose) ([]byte, error) {
	stack, err := stacks.OpenFiles(root, name)
	if err != nil {
		return nil, err
	}
	planned, err := New(name, stack, compose)
	if err != nil {
		return nil, err
	}
	return planned.YAML()
}
