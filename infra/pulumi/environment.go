package pulumi

import (
	"maps"
	"slices"

	"github.com/kubetracing/kubetracing/infra/tools"
)

// Variables of Pulumi's environment.
const (
	backendVariable        = "PULUMI_BACKEND_URL"
	passphraseVariable     = "PULUMI_CONFIG_PASSPHRASE"      //nolint:gosec // the variable's name
	passphraseFileVariable = "PULUMI_CONFIG_PASSPHRASE_FILE" //nolint:gosec // the variable's name
)

// defaultPassphrase encrypts the secrets of a local stack: the kubeconfig of a
// throw-away cluster that only listens on 127.0.0.1, in a state folder that only its
// user can read. Whoever needs more sets PULUMI_CONFIG_PASSPHRASE.
const defaultPassphrase = "kubetracing"

// Environment returns NAME=VALUE variables for Pulumi, sorted: for whatever lookup,
// such as [os.LookupEnv], finds no choice of the user's, everything is below the
// project's folder. A variable that is set but empty is no choice, as CI leaves them;
// except a passphrase, which may be empty.
func (w Workspace) Environment(lookup func(string) (string, bool)) []string {
	defaults := map[string]string{
		backendVariable:            w.LocalBackend(),
		"PULUMI_HOME":              w.Folder("pulumi"),
		"PULUMI_SKIP_UPDATE_CHECK": "true",
		// The state of a throw-away cluster needs no history.
		"PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "true",
		// Pulumi, its plugins and k3d are short-lived programs in Go. With fewer garbage
		// collections an update without a change takes a fifth less, for a tenth more
		// memory (from 470 to 508 MiB).
		"GOGC": "400",
	}
	// Pulumi downloads its plugins itself: from where the tools come from, or not.
	if overrides := tools.PluginURLOverrides(); overrides != "" {
		defaults["PULUMI_PLUGIN_DOWNLOAD_URL_OVERRIDES"] = overrides
	}
	if tools.Offline() {
		defaults["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
	}
	var environment []string
	for _, name := range slices.Sorted(maps.Keys(defaults)) {
		if value, _ := lookup(name); value == "" {
			environment = append(environment, name+"="+defaults[name])
		}
	}
	if chosenPassphrase(lookup) == "" {
		environment = append(environment, passphraseVariable+"="+defaultPassphrase)
	}
	return environment
}

// chosenPassphrase returns the variable from which Pulumi takes the passphrase, empty
// if the user has set none.
//
// Source: pulumi/pulumi pkg/secrets/passphrase/manager.go (readPassphrase).
func chosenPassphrase(lookup func(string) (string, bool)) string {
	if _, set := lookup(passphraseVariable); set {
		return passphraseVariable
	}
	if file, _ := lookup(passphraseFileVariable); file != "" {
		return passphraseFileVariable
	}
	return ""
}

// UsesLocalBackend reports whether the state is in the workspace's own folder.
func (w Workspace) UsesLocalBackend(lookup func(string) (string, bool)) bool {
	value, _ := lookup(backendVariable)
	return value == "" || value == w.LocalBackend()
}
