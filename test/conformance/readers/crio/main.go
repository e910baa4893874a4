// Command crio reads crio.conf on standard input with the configuration code of one
// CRI-O release (versions/*.mod choose which) and prints what it decoded as JSON.
// It fails where CRI-O refuses a value, and where CRI-O does not know a key, which
// CRI-O itself ignores silently.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/cri-o/cri-o/pkg/config"
	"github.com/sirupsen/logrus"
)

// Decoded is what CRI-O decodes from the file.
type Decoded struct {
	Tracing        config.TracingConfig              `json:"tracing"`
	Handlers       map[string]*config.RuntimeHandler `json:"handlers"`
	DefaultRuntime string                            `json:"defaultRuntime"`
	CgroupManager  string                            `json:"cgroupManager"`
	DropInfraCtr   bool                              `json:"dropInfraCtr"`
	CleanShutdown  string                            `json:"cleanShutdownFile"`
}

func main() {
	logrus.SetOutput(io.Discard)
	decoded, err := run(os.Stdin)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(decoded)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(in io.Reader) (*Decoded, error) {
	text, err := io.ReadAll(in)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(os.Getenv("HOME"), "crio.conf")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return nil, err
	}
	cri, err := config.DefaultConfig()
	if err != nil {
		return nil, err
	}
	if err := cri.UpdateFromFile(context.Background(), path); err != nil {
		return nil, err
	}
	if err := allKnown(cri, text); err != nil {
		return nil, err
	}
	for name, handler := range cri.Runtimes {
		if err := handler.ValidateRuntimeType(name); err != nil {
			return nil, err
		}
	}
	// What CRI-O checks without a machine: the runtimes' binaries are not here.
	return &Decoded{
		Tracing: cri.TracingConfig, Handlers: cri.Runtimes, DefaultRuntime: cri.DefaultRuntime,
		CgroupManager: cri.CgroupManagerName, DropInfraCtr: cri.DropInfraCtr, CleanShutdown: cri.CleanShutdownFile,
	}, errors.Join(cri.RuntimeConfig.ValidateDefaultRuntime(), cri.ImageConfig.Validate(false), cri.APIConfig.Validate(false))
}

// allKnown finds keys that CRI-O does not write itself when it is asked for its
// whole configuration.
func allKnown(cri *config.Config, text []byte) error {
	whole, err := cri.ToBytes()
	if err != nil {
		return err
	}
	known, given := map[string]any{}, map[string]any{}
	if _, err := toml.NewDecoder(bytes.NewReader(whole)).Decode(&known); err != nil {
		return err
	}
	if _, err := toml.NewDecoder(bytes.NewReader(text)).Decode(&given); err != nil {
		return err
	}
	var unknown []string
	for key := range keys(given, "") {
		if _, ok := keys(known, "")[key]; !ok {
			unknown = append(unknown, key)
		}
	}
	if len(unknown) > 0 {
		sort.Strings(unknown)
		return fmt.Errorf("CRI-O knows no key %s", strings.Join(unknown, ", "))
	}
	return nil
}

func keys(table map[string]any, prefix string) map[string]struct{} {
	all := map[string]struct{}{}
	for key, value := range table {
		all[prefix+key] = struct{}{}
		if inner, ok := value.(map[string]any); ok {
			for innerKey := range keys(inner, prefix+key+".") {
				all[innerKey] = struct{}{}
			}
		}
	}
	return all
}
