package lifecycle

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/docker"
)

// Verified is the result of a verification, as the command `verify --spec` prints it
// in JSON.
type Verified struct {
	verify.Outputs
	// After is what the verification came after.
	After string `json:"after,omitempty"`
}

// Since returns the earliest start of a span that counts for a verification: see
// [verify.Everything]. Where only new ones do, spans of an earlier configuration must not
// count.
func Since(ctx context.Context, client *docker.Client, document spec.Verification) (time.Time, error) {
	if !document.OnlyNew {
		return verify.Everything(time.Duration(document.MaxAge)), nil
	}
	return Started(ctx, client, document.Containers)
}

// Earlier returns the previous result of a verification, if that still holds: what has
// run leaves no second trace, so once seen it is not looked for again before it runs
// again. Jaeger's URL may have changed.
func Earlier(document spec.Verification, after, previous, jaegerURL string) (Verified, bool) {
	var verified Verified
	if !document.Once || after == "" || json.Unmarshal([]byte(previous), &verified) != nil || verified.After != after {
		return Verified{}, false
	}
	for name, url := range verified.Traces {
		if i := strings.LastIndex(url, "/"); i >= 0 {
			verified.Traces[name] = verify.TraceURL(jaegerURL, url[i+1:])
		}
	}
	return verified, true
}

// Encode returns the result as JSON.
func (v Verified) Encode() (string, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode the result of the verification: %w", err)
	}
	return string(text), nil
}
