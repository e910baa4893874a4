package stacks

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"

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
	if s.needsContrib() && isCoreDistribution(c.Image) {
		v.reject("collector.image", c.Image,
			"must be a contrib distribution: the core one has neither queues on disk nor tail sampling")
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

// isCoreDistribution reports whether an image is the official core distribution, by
// its name: a mirror keeps it, a custom distribution has another.
//
// Source: open-telemetry/opentelemetry-collector-releases
// distributions/otelcol/manifest.yaml has neither file_storage nor tail_sampling.
func isCoreDistribution(image string) bool {
	named, err := reference.ParseNormalizedNamed(image)
	return err == nil && path.Base(reference.Path(named)) == "opentelemetry-collector"
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
	if exporter.Protocol == "http" {
		plain = plain || strings.HasPrefix(exporter.Endpoint, "http://")
	}
	switch {
	case strings.Contains(exporter.Endpoint, "$"):
		v.reject(key+".endpoint", exporter.Endpoint, "must not contain '$': the Collector would expand it")
	case exporter.Protocol == "grpc" && !isHostPort(exporter.Endpoint):
		v.reject(key+".endpoint", exporter.Endpoint, "must be host:port for protocol grpc")
	case exporter.Protocol == "http" && !isHTTPURL(exporter.Endpoint):
		v.reject(key+".endpoint", exporter.Endpoint, "must be an http or https URL for protocol http")
	}
	if exporter.CA != "" {
		if err := checkCertificates(exporter.CA); err != nil {
			v.problems = append(v.problems, Problem{
				Field: v.project + ":" + key + ".ca",
				Rule:  "must be certificates in PEM: " + err.Error(),
			})
		}
		if plain {
			v.problems = append(v.problems, Problem{Field: v.project + ":" + key + ".ca", Rule: "is only valid with TLS, which is off"})
		}
	}
	v.headers(key+".headers", exporter.Headers)
}

// headers never reports a header's value.
func (v *validator) headers(key string, headers map[string]Secret) {
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		reject := func(rule string) {
			v.problems = append(v.problems, Problem{Field: v.project + ":" + key + "." + name, Rule: rule})
		}
		if !headerName.MatchString(name) {
			reject("must have a name of letters, digits and '-'")
		}
		if seen[strings.ToLower(name)] {
			reject("occurs twice: case is ignored")
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
			return fmt.Errorf("block %d is a %s", count+1, block.Type)
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Errorf("block %d: %w", count+1, err)
		}
	}
}
