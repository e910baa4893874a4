package stacks

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// maxTailSamplingWait bounds how long traces are held in memory.
const maxTailSamplingWait = 5 * time.Minute

// headerName is narrower than HTTP's: HTTP/2, and so gRPC, sends lower case, and
// the value travels in an environment variable of this name.
var headerName = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?$`)

func (v *validator) collector(s Settings) {
	c := s.Collector
	if c.Image != "" {
		v.image("collector.image", c.Image)
	}
	if c.Queue != "" {
		oneOf(v, "collector.queue", c.Queue, queues)
	}
	v.tailSampling(s)
	names := map[string]bool{}
	for i, exporter := range c.Exporters {
		key := fmt.Sprintf("collector.exporters[%d]", i)
		if !rfc1123Label.MatchString(exporter.Name) {
			v.reject(key+".name", exporter.Name, "must be an RFC 1123 label")
		}
		if names[exporter.Name] || exporter.Name == tracing.JaegerAlias {
			v.reject(key+".name", exporter.Name, "is used twice or is the name of the exporter to Jaeger")
		}
		names[exporter.Name] = true
		v.exporter(key, exporter)
	}
}

func (v *validator) tailSampling(s Settings) {
	tail := s.Collector.TailSampling
	if tail == nil {
		return
	}
	v.rate("collector.tailSampling.ratePerMillion", tail.Rate)
	if tail.SlowerThan < time.Millisecond {
		v.reject("collector.tailSampling.slowerThan", tail.SlowerThan, "must be at least 1ms")
	}
	if tail.Wait < time.Second || tail.Wait > maxTailSamplingWait {
		v.reject("collector.tailSampling.wait", tail.Wait, fmt.Sprintf("must be from 1s to %s", maxTailSamplingWait))
	}
	if s.Sampling.Collector != tracing.SamplingRateMax {
		v.reject("sampling.collector", s.Sampling.Collector,
			fmt.Sprintf("must be %d with collector.tailSampling, which chooses instead", tracing.SamplingRateMax))
	}
}

func (v *validator) exporter(key string, exporter ExporterSettings) {
	oneOf(v, key+".protocol", exporter.Protocol, otlpProtocols)
	plain := exporter.Insecure
	switch endpoint := exporter.Endpoint; {
	case endpoint == string(blinded):
		// Encrypted: checked where it can be read.
	case strings.Contains(endpoint, "$"):
		v.reject(key+".endpoint", endpoint, "must not contain '$': the Collector would expand it")
	case urlHasCredentials(endpoint):
		v.hide(key+".endpoint", fmt.Sprintf("must not contain a user or a password: send them in a header, with "+
			"`pulumi config set --secret --path '%s:%s.headers.authorization'`", v.project, key))
	case exporter.Protocol == "grpc" && !isHostPort(endpoint):
		v.reject(key+".endpoint", endpoint, "must be host:port for protocol grpc")
	case exporter.Protocol == "http" && !isHTTPURL(endpoint):
		v.reject(key+".endpoint", endpoint, "must be an http or https URL for protocol http")
	case exporter.Protocol == "http":
		plain = v.httpEndpoint(key, exporter)
	}
	if exporter.CA != "" {
		if err := checkCertificates(exporter.CA); err != nil {
			v.hide(key+".ca", "must be certificates in PEM: "+err.Error())
		}
		if plain {
			v.hide(key+".ca", "is only valid with TLS, which is off")
		}
	}
	v.headers(key+".headers", exporter.Headers)
}

// signalPath is what the Collector appends to an endpoint, and what it appends for
// other signals.
//
// Source: go.opentelemetry.io/collector/exporter/otlphttpexporter/factory.go
// (composeSignalURL).
var signalPath = regexp.MustCompile(`(?i)/+v1/(traces|metrics|logs)/*$`)

// httpEndpoint checks a valid URL and reports whether it is without TLS.
func (v *validator) httpEndpoint(key string, exporter ExporterSettings) bool {
	u, err := url.Parse(exporter.Endpoint)
	if err != nil {
		return false
	}
	if exporter.Insecure && u.Scheme == "https" {
		v.reject(key+".insecure", true, "contradicts the https endpoint: remove it, or write http:// for no TLS")
	}
	switch {
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		// Without the value: keys and tokens stand in queries.
		v.hide(key+".endpoint", "must not have a query or a fragment: the Collector appends /v1/traces to it; send keys in headers")
	case signalPath.MatchString(u.Path):
		u.Path, u.RawPath = signalPath.ReplaceAllString(u.Path, ""), ""
		rule := "must not end in /v1/traces, which the Collector appends"
		if !v.isSecret(key) {
			rule += ": write " + u.String()
		}
		v.reject(key+".endpoint", exporter.Endpoint, rule)
	}
	return u.Scheme == "http"
}

// headers never reports a header's value.
func (v *validator) headers(key string, headers map[string]Secret) {
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		reject := func(rule string) { v.hide(key+"."+name, rule) }
		if !headerName.MatchString(name) {
			reject("must have a name of letters, digits and '-'")
		}
		if seen[strings.ToLower(name)] {
			reject("is given twice: header names ignore case")
		}
		seen[strings.ToLower(name)] = true
		switch value := string(headers[name]); {
		case value == "":
			reject("must not be empty")
		case strings.Contains(value, "$"):
			reject("must not contain '$': the Collector would expand it")
		case strings.ContainsAny(value, "\r\n\x00"):
			reject("must be one line")
		}
	}
}

func checkCertificates(text string) error {
	rest := []byte(text)
	for count := 0; ; count++ {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			if count == 0 || strings.TrimSpace(string(rest)) != "" {
				return fmt.Errorf("PEM block %d is malformed", count+1)
			}
			return nil
		}
		if block.Type != "CERTIFICATE" {
			return fmt.Errorf("PEM block %d is a %s", count+1, block.Type)
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Errorf("PEM block %d: %w", count+1, err)
		}
	}
}
