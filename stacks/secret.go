package stacks

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/kubetracing/kubetracing/components/strict"
)

// Secret is a value that no log, error or plan may show.
type Secret string

// String hides the value from the verbs of package fmt.
func (Secret) String() string { return string(blinded) }

// GoString hides the value from %#v.
func (s Secret) GoString() string { return s.String() }

// blinded stands for an encrypted value where nothing can decrypt it.
//
// Source: github.com/pulumi/pulumi/sdk/v3 go/common/resource/config
// (NewBlindingDecrypter).
const blinded Secret = "[secret]"

// Config is a stack's configuration as Pulumi passes it to a program.
type Config struct {
	// Values holds plain text or JSON under full keys, as kubetracing:cluster.
	Values map[string]string
	// Secret lists the full keys whose values are encrypted, or have an encrypted
	// value inside them. It may be empty where encrypted values are blinded.
	Secret []string
}

// secretKeysVariable lists the keys of secret values.
//
// Source: github.com/pulumi/pulumi/sdk/v3 go/pulumi/run.go (EnvConfigSecretKeys).
const secretKeysVariable = "PULUMI_CONFIG_SECRET_KEYS" //nolint:gosec // the name of a variable

// SecretKeys returns the full configuration keys that Pulumi names as secret to the
// running program.
func SecretKeys() ([]string, error) {
	text := os.Getenv(secretKeysVariable)
	if text == "" {
		return nil, nil
	}
	var keys []string
	if err := json.Unmarshal([]byte(text), &keys); err != nil {
		return nil, fmt.Errorf("read %s: %w", secretKeysVariable, err)
	}
	return keys, nil
}

// secretSections holds the sections that are encrypted, or have an encrypted value,
// and reports of each whether it was decrypted.
type secretSections map[string]bool

// has reports whether a section is secret.
func (s secretSections) has(section string) bool {
	_, ok := s[section]
	return ok
}

// Rules for encrypted values. Pulumi shows the inputs of resources, and what is
// encrypted stays secret only where the program passes it on as a secret.
const (
	ruleNotSecret    = "must not be encrypted: it would be shown in the clear; only " + stayingSecret
	ruleWholeSection = "must not be encrypted as a whole: encrypt single values with `pulumi config set --secret --path`; " + stayingSecret

	stayingSecret = "jaeger.server.password, headers and endpoints of collector.exporters, " +
		"URLs of cluster.proxy and passwords of cluster.registries stay secret"
)

// staysSecret reports whether an encrypted value at a key stays secret.
func staysSecret(key string, kind reflect.Type) bool {
	return kind == reflect.TypeFor[Secret]() || key == "cluster.proxy.http" || key == "cluster.proxy.https" ||
		(strings.HasPrefix(key, "collector.exporters[") && strings.HasSuffix(key, "].endpoint"))
}

// isBlinded reports whether a value is, or contains, one that nothing could decrypt.
func isBlinded(value any) bool {
	for _, inner := range strict.Flatten(value) {
		if inner == string(blinded) {
			return true
		}
	}
	return false
}

// removeBlinded removes the encrypted values of a section that would not stay secret,
// so that no other rule sees them, and returns a problem for each.
func removeBlinded(project, name string, sections map[string]any, known strict.Types) []Problem {
	if sections[name] == string(blinded) {
		sections[name] = nil
		return []Problem{{Field: project + ":" + name, Rule: ruleWholeSection}}
	}
	var problems []Problem
	for key, value := range strict.Flatten(map[string]any{name: sections[name]}) {
		if kind := known.TypeOf(key); value == string(blinded) && kind != nil && !staysSecret(key, kind) {
			problems = append(problems, Problem{Field: project + ":" + key, Rule: ruleNotSecret})
		}
	}
	sections[name] = withoutBlinded(name, sections[name], known)
	slices.SortFunc(problems, func(a, b Problem) int { return strings.Compare(a.Field, b.Field) })
	return problems
}

// withoutBlinded returns a copy of the value at a key in which null stands for the
// encrypted values that would not stay secret.
func withoutBlinded(key string, value any, known strict.Types) any {
	switch typed := value.(type) {
	case map[string]any:
		copied := make(map[string]any, len(typed))
		for name, inner := range typed {
			copied[name] = withoutBlinded(key+"."+name, inner, known)
		}
		return copied
	case []any:
		copied := make([]any, len(typed))
		for i, inner := range typed {
			copied[i] = withoutBlinded(fmt.Sprintf("%s[%d]", key, i), inner, known)
		}
		return copied
	case string:
		if kind := known.TypeOf(key); typed == string(blinded) && kind != nil && !staysSecret(key, kind) {
			return nil
		}
	}
	return value
}

// problems returns a problem for every decrypted section of which nothing stays
// secret. Pulumi does not tell a program which value inside a section is encrypted.
func (s secretSections) problems(project string, settings Settings) []Problem {
	proxy := settings.Cluster.Proxy
	hasPassword := func(registry RegistrySettings) bool { return registry.Password != "" }
	holds := map[string]bool{
		"cluster":   proxy.HTTP != "" || proxy.HTTPS != "" || slices.ContainsFunc(settings.Cluster.Registries, hasPassword),
		"jaeger":    settings.Jaeger.Server != nil && settings.Jaeger.Server.Password != "",
		"collector": len(settings.Collector.Exporters) > 0,
	}
	var problems []Problem
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if s[name] && !holds[name] {
			problems = append(problems, Problem{Field: project + ":" + name, Rule: ruleWholeSection})
		}
	}
	return problems
}

// hide removes what must not be shown from the problems of secret sections: every
// value, and all but the refusal of a section that must not be secret.
func (s secretSections) hide(project string, problems []Problem) []Problem {
	refused := map[string]bool{}
	for _, problem := range problems {
		if problem.Rule == ruleWholeSection {
			refused[problem.Field] = true
		}
	}
	var shown []Problem
	for _, problem := range problems {
		field := project + ":" + s.section(project, problem.Field)
		if refused[field] && problem.Rule != ruleWholeSection {
			continue
		}
		if s.has(s.section(project, problem.Field)) {
			problem.Value = ""
		}
		shown = append(shown, problem)
	}
	return shown
}

// section returns the section that a problem's field belongs to.
func (secretSections) section(project, field string) string {
	name := strings.TrimPrefix(field, project+":")
	if end := strings.IndexAny(name, ".["); end >= 0 {
		return name[:end]
	}
	return name
}
