package stacks

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// pulls checks how the nodes reach registries.
func (v *validator) pulls(c ClusterSettings) {
	v.proxy("cluster.proxy.http", c.Proxy.HTTP)
	v.proxy("cluster.proxy.https", c.Proxy.HTTPS)
	if len(c.Proxy.Except) > 0 && c.Proxy.HTTP == "" && c.Proxy.HTTPS == "" {
		v.reject("cluster.proxy.except", strings.Join(c.Proxy.Except, ", "), "needs cluster.proxy.http or cluster.proxy.https")
	}
	for i, except := range c.Proxy.Except {
		if !isProxyException(except) {
			v.reject(fmt.Sprintf("cluster.proxy.except[%d]", i), except,
				"must be one host with or without a port, a domain such as .example.com, an address or a range in CIDR notation")
		}
	}
	names := map[string]bool{}
	for i, registry := range c.Registries {
		key := fmt.Sprintf("cluster.registries[%d]", i)
		switch {
		case !isRegistry(registry.Name):
			v.reject(key+".name", registry.Name, "must be the host of a registry as images name it, with or without a port: docker.io")
		case names[registry.Name]:
			v.reject(key+".name", registry.Name, "is listed twice")
		}
		names[registry.Name] = true
		v.registry(key, registry)
	}
}

// proxy checks the URL of a proxy.
func (v *validator) proxy(key, text string) {
	if text == "" || text == string(blinded) {
		return
	}
	u, err := url.Parse(text)
	valid := err == nil && slices.Contains([]string{"http", "https", "socks5"}, u.Scheme) &&
		isHost(u.Hostname()) && (u.Port() == "" || isPort(u.Port())) &&
		strings.Trim(u.Path, "/") == "" && u.RawQuery == "" && !u.ForceQuery && u.Fragment == "" && !strings.ContainsAny(text, "'\r\n")
	switch {
	case urlHasCredentials(text) && !v.isSecret(key):
		v.hide(key, fmt.Sprintf("must not have a user or a password in the clear: encrypt the URL with "+
			"`pulumi config set --secret --path '%s:%s' URL`", v.project, key))
	case !valid:
		v.reject(key, text, "must be the http, https or socks5 URL of a proxy without a path: http://proxy.example:3128")
	}
}

var proxyDomain = regexp.MustCompile(`^(\*?\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(:[0-9]{1,5})?$`)

// isProxyException reports whether text is one entry of a NO_PROXY.
//
// Source: https://pkg.go.dev/golang.org/x/net/http/httpproxy (Config.NoProxy).
func isProxyException(text string) bool {
	if _, err := netip.ParsePrefix(text); err == nil {
		return true
	}
	_, err := netip.ParseAddr(text)
	return err == nil || proxyDomain.MatchString(text)
}

// isRegistry reports whether text is the host of a registry, with or without a port.
func isRegistry(text string) bool {
	return !strings.Contains(text, "_") && (isHost(text) || isHostPort(text))
}

// registry checks how one registry is reached.
func (v *validator) registry(key string, registry RegistrySettings) {
	if len(registry.Mirrors) == 0 && registry.Username == "" && registry.Password == "" && !registry.Insecure {
		v.reject(key, registry.Name, "must have mirrors, a username with a password, or insecure: true")
	}
	for i, mirror := range registry.Mirrors {
		name := fmt.Sprintf("%s.mirrors[%d]", key, i)
		u, err := url.Parse(mirror)
		switch {
		case urlHasCredentials(mirror):
			v.hide(name, "must not contain a user or a password: list the mirror's host in cluster.registries with its username and password")
		case !isHTTPURL(mirror) || err != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
			v.reject(name, mirror, "must be an http or https URL, whose path, if any, stands before the names of images")
		case u.Path == "/v2" || strings.HasPrefix(u.Path, "/v2/"):
			v.reject(name, mirror, "must not begin its path with /v2, which is part of every registry's API")
		case slices.Contains(registry.Mirrors[:i], mirror):
			v.reject(name, mirror, "is listed twice")
		}
	}
	switch {
	case registry.Username == "" && registry.Password != "":
		v.reject(key+".username", registry.Username, "is missing, but there is a password")
	case registry.Username != "" && registry.Password == "":
		v.hide(key+".password", "is missing, but there is a username")
	case strings.ContainsAny(registry.Username, ":\r\n\x00"):
		v.reject(key+".username", registry.Username, "must be one line without ':'")
	case strings.ContainsAny(string(registry.Password), "\r\n\x00"):
		v.hide(key+".password", "must be one line")
	}
}

// readAuthorities reads the files with certificate authorities and returns their
// certificates in PEM, and a problem for every file that cannot be used.
func readAuthorities(root, project string, files []string) (string, []Problem) {
	var text strings.Builder
	var problems []Problem
	for i, file := range files {
		key := fmt.Sprintf("%s:cluster.certificateAuthorities[%d]", project, i)
		if file == "" {
			problems = append(problems, Problem{key, `""`, "must be the path of a file"})
			continue
		}
		if isHome(file) {
			problems = append(problems, Problem{key, file, ruleHome})
			continue
		}
		certificates, err := readAuthority(root, file)
		if err != nil {
			problems = append(problems, Problem{key, file, err.Error()})
			continue
		}
		text.WriteString(certificates)
	}
	return text.String(), problems
}

// readAuthority reads one file.
func readAuthority(root, file string) (string, error) {
	if !filepath.IsAbs(file) {
		file = filepath.Join(root, file)
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		// Without the path, which differs between machines.
		return "", errors.New("must be a file; relative paths are below the project's root")
	}
	if err != nil {
		return "", fmt.Errorf("must be readable: %w", err)
	}
	return authorities(text, time.Now())
}

// authorities returns the certificates in a file, and nothing else of it. All must be
// authorities, and valid at a time.
func authorities(text []byte, now time.Time) (string, error) {
	var out strings.Builder
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return "", fmt.Errorf("must hold nothing but certificates in PEM, but has a %s", block.Type)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		switch {
		case err != nil:
			return "", fmt.Errorf("must hold certificates in PEM: %w", err)
		case !certificate.IsCA:
			return "", fmt.Errorf("must hold authorities, but %s is none", certificate.Subject)
		case now.After(certificate.NotAfter):
			return "", fmt.Errorf("must be valid, but %s expired on %s", certificate.Subject, certificate.NotAfter.Format(time.DateOnly))
		case now.Before(certificate.NotBefore):
			return "", fmt.Errorf("must be valid, but %s is not before %s", certificate.Subject, certificate.NotBefore.Format(time.DateOnly))
		}
		block.Headers = nil
		out.Write(pem.EncodeToMemory(block))
	}
	if out.Len() == 0 {
		return "", errors.New("must hold certificates in PEM")
	}
	return out.String(), nil
}

// pulls returns what decides how the nodes reach registries.
func (s Stack) pulls() tracing.Pulls {
	cluster := s.Settings.Cluster
	pulls := tracing.Pulls{
		Proxy: tracing.Proxy{
			HTTP: cluster.Proxy.HTTP, HTTPS: cluster.Proxy.HTTPS, Except: cluster.Proxy.Except, Secret: s.secretProxy,
		},
		Certificates: s.authorities,
	}
	for _, registry := range cluster.Registries {
		pulls.Registries = append(pulls.Registries, tracing.Registry{
			Name: registry.Name, Mirrors: registry.Mirrors, Username: registry.Username, Password: string(registry.Password),
			Insecure: registry.Insecure,
		})
	}
	return pulls
}
