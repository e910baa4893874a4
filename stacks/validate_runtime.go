package stacks

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/Masterminds/semver/v3"

	"github.com/kubetracing/kubetracing/components/tracing"
)

func (v *validator) runtime(s Settings) {
	r := s.Runtime
	oneOf(v, "runtime.name", r.Name, runtimeNames)
	oneOf(v, "runtime.oci", r.OCI, ociRuntimes)
	for i, class := range r.RuntimeClasses {
		key := "runtime.runtimeClasses[" + strconv.Itoa(i) + "]"
		oneOf(v, key, class, ociRuntimes)
		if slices.Contains(r.RuntimeClasses[:i], class) {
			v.reject(key, class, "is listed twice")
		}
	}
	v.bundle("runtime.bundle", r.Bundle)
	v.crio(s)
	v.monitor(s)
	v.ociBundles(r)
	v.youki(r)
	v.oneDirectory(r)
}

// bundle checks the form of a bundle; nil means no bundle.
func (v *validator) bundle(key string, bundle *BundleSettings) {
	if bundle == nil {
		return
	}
	b := *bundle
	if (b.Directory == "") == (b.URL == "") {
		v.reject(key, fmt.Sprintf("directory %q, url %q", b.Directory, b.URL), "must have either directory or url")
	}
	if strings.ContainsFunc(b.Directory, unicode.IsControl) {
		v.reject(key+".directory", strconv.Quote(b.Directory), "must not contain control characters")
	}
	if isHome(b.Directory) {
		v.reject(key+".directory", b.Directory, ruleHome)
	}
	if b.URL == "" && b.SHA256 != "" {
		v.reject(key+".sha256", b.SHA256, "is only valid together with url: a directory is not checked")
	}
	if b.URL != "" {
		v.archive(key, b.URL, b.SHA256)
	}
}

// archive checks the URL of an archive and its checksum.
func (v *validator) archive(key, url, sha256 string) {
	switch {
	case urlHasCredentials(url):
		v.hide(key+".url", "must not contain a user or a password, which plans and previews would show: "+
			"download the archive and give the folder with its files, or serve it without a password; its checksum is checked")
	case !isHTTPURL(url):
		v.reject(key+".url", url, "must be an http or https URL")
	}
	if !sha256Hex.MatchString(sha256) {
		v.reject(key+".sha256", sha256, "must be the 64 lower case hexadecimal digits of the archive's SHA-256")
	}
}

// crio checks that the release of CRI-O and its source are known.
func (v *validator) crio(s Settings) {
	r := s.Runtime
	if r.Name != tracing.RuntimeCRIO {
		if r.Version != "" {
			v.reject("runtime.version", r.Version, "is only valid with runtime.name crio: the release of containerd follows from that of Kubernetes")
		}
		return
	}
	release, err := tracing.ResolveRelease(s.Cluster.Kubernetes)
	if err != nil {
		return
	}
	_, published := release.CRIORelease()
	switch {
	case r.Version == "":
	case !isRelease(r.Version):
		v.reject("runtime.version", r.Version, "must be a CRI-O release from 1.25 on, as 1.34.0")
	case r.Bundle == nil:
		v.reject("runtime.version", r.Version, "is only valid together with runtime.bundle: it says which CRI-O release the bundle holds")
	}
	switch {
	case published:
	case r.Bundle == nil:
		v.reject("runtime.name", r.Name, fmt.Sprintf("has no official bundle with a published checksum for Kubernetes 1.%d: "+
			"give runtime.bundle and runtime.version, or choose a Kubernetes from %s", release.Minor, tracing.CRIORange()))
	case r.Version == "":
		v.reject("runtime.version", r.Version, fmt.Sprintf("must say which CRI-O release runtime.bundle holds: "+
			"none is known for Kubernetes 1.%d", release.Minor))
	}
}

// monitor checks which conmon-rs is chosen, and where it comes from.
func (v *validator) monitor(s Settings) {
	r := s.Runtime
	if r.Monitor == nil {
		return
	}
	const key = "runtime.monitor"
	m := *r.Monitor
	if r.Name != tracing.RuntimeCRIO {
		v.reject(key, "", "is only valid with runtime.name crio: containerd has no monitor of its own")
		return
	}
	if m.CRIO != "" && (m.URL != "" || m.SHA256 != "" || m.Version != "") {
		v.reject(key, fmt.Sprintf("crio %q, url %q, version %q", m.CRIO, m.URL, m.Version),
			"must have either crio, or version with url and sha256, or version alone")
		return
	}
	switch release, published := tracing.PublishedCRIO(m.CRIO); {
	case m.CRIO == "":
		v.conmonRsArchive(key, m, s)
	case !published:
		v.reject(key+".crio", m.CRIO, "must be a CRI-O release with a published checksum: "+strings.Join(tracing.CRIOWithConmonRs(), ", "))
	case release.ConmonRs == "":
		v.reject(key+".crio", m.CRIO, "has no conmon-rs; these have: "+strings.Join(tracing.CRIOWithConmonRs(), ", "))
	}
}

// conmonRsArchive checks a conmon-rs that no official bundle brings.
func (v *validator) conmonRsArchive(key string, m MonitorSettings, s Settings) {
	version, err := semver.StrictNewVersion(m.Version)
	switch {
	case err != nil:
		v.reject(key+".version", m.Version, "must be the conmon-rs release, as 0.7.2")
	case version.Major() > 0 && !s.takesConmonRs1():
		v.reject(key+".version", m.Version, "must be below 1.0.0: CRI-O before 1.37 passes arguments that conmon-rs 1.0 does not know")
	}
	switch {
	case m.URL != "":
		v.archive(key, m.URL, m.SHA256)
	case m.SHA256 != "":
		v.reject(key+".sha256", m.SHA256, "is only valid together with url")
	case s.Runtime.Bundle == nil:
		v.reject(key+".url", "", "must be given with version, unless runtime.bundle holds that conmon-rs")
	}
}

// takesConmonRs1 reports whether the chosen CRI-O can start conmon-rs 1.0, which has
// lost the flag --cgroup-manager.
//
// Source: cri-o/packaging templates/latest/cri-o/bundle/versions.
func (s Settings) takesConmonRs1() bool {
	crio := s.Runtime.Version
	if crio == "" {
		release, err := tracing.ResolveRelease(s.Cluster.Kubernetes)
		return err == nil && release.Minor >= 37
	}
	version, err := semver.StrictNewVersion(crio)
	return err == nil && version.Minor() >= 37
}

// isRelease reports whether a version is a CRI-O release that this program knows
// how to configure.
func isRelease(version string) bool {
	parsed, err := semver.StrictNewVersion(version)
	return err == nil && parsed.Major() == 1 && parsed.Minor() >= 25
}

// ociBundles checks the bundles of OCI runtimes.
func (v *validator) ociBundles(r RuntimeSettings) {
	for _, oci := range ociRuntimes {
		bundle := r.OCIBundles.Of(oci)
		key := "runtime.ociBundles." + string(oci)
		v.bundle(key, bundle)
		if bundle != nil && !r.runtime().Uses(oci) {
			v.reject(key, oci, "is not used: neither runtime.oci nor runtime.runtimeClasses names it")
		}
	}
}

// youki rejects youki where no bundle contains it.
func (v *validator) youki(r RuntimeSettings) {
	if r.OCIBundles.Youki != nil || (r.Name == tracing.RuntimeCRIO && r.Bundle != nil) {
		return
	}
	const rule = "is in no official bundle: give runtime.ociBundles.youki or, with crio, a runtime.bundle that has bin/youki"
	if r.OCI == tracing.OCIYouki {
		v.reject("runtime.oci", r.OCI, rule)
	}
	if i := slices.Index(r.RuntimeClasses, tracing.OCIYouki); i >= 0 {
		v.reject(fmt.Sprintf("runtime.runtimeClasses[%d]", i), tracing.OCIYouki, rule)
	}
}

// oneDirectory rejects bundles from several directories: Docker builds the node
// image from one.
func (v *validator) oneDirectory(r RuntimeSettings) {
	first, firstKey := "", ""
	for _, bundle := range []struct {
		key   string
		value *BundleSettings
	}{
		{"runtime.bundle", r.Bundle},
		{"runtime.ociBundles.crun", r.OCIBundles.Crun},
		{"runtime.ociBundles.youki", r.OCIBundles.Youki},
	} {
		switch {
		case bundle.value == nil || bundle.value.Directory == "":
		case first == "":
			first, firstKey = bundle.value.Directory, bundle.key
		case bundle.value.Directory != first:
			v.reject(bundle.key+".directory", bundle.value.Directory, fmt.Sprintf(
				"must be that of %s:%s (%s): an image is built from one directory, so put all binaries into its bin", v.project, firstKey, first))
		}
	}
}

// runtime returns what the settings choose, except CRI-O's release.
func (r RuntimeSettings) runtime() tracing.Runtime {
	return tracing.Runtime{Name: r.Name, Default: r.OCI, Classes: r.RuntimeClasses}
}
