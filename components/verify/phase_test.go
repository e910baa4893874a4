package verify_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/verify"
)

func TestExpectation_Phase(t *testing.T) {
	t.Parallel()
	pull := func(uid, container string, took time.Duration, failure string) verify.PodPhase {
		return verify.PodPhase{
			Pod: "shop/web-" + uid, UID: uid, Name: "imagePull", Container: container, Length: took, Error: failure, TraceID: "trace-" + uid,
		}
	}
	tests := map[string]struct {
		expectation verify.Expectation
		phases      []verify.PodPhase
		met         bool
		traces      int
		broken      []string
		brokenBy    string
		table       string
	}{
		"a pod within the limit": {
			verify.Expectation{},
			[]verify.PodPhase{pull("a", "app", 5*time.Second, "")},
			true, 1, nil, "",
			"seen    pulls        1       -      5s        http://jaeger/trace/trace-a",
		},
		"a pod that exceeds it": {
			verify.Expectation{},
			[]verify.PodPhase{pull("a", "app", 7*time.Second, "")},
			false, 0,
			[]string{"shop/web-a imagePull of app took 7s, more than 5s"},
			"trace-a",
			"BROKEN  pulls        0       -      -         http://jaeger/trace/trace-a: shop/web-a imagePull of app took 7s, more than 5s",
		},
		"one of a pod's containers exceeds it": {
			verify.Expectation{},
			[]verify.PodPhase{pull("a", "app", time.Second, ""), pull("a", "proxy", 6*time.Second, "")},
			false, 0,
			[]string{"shop/web-a imagePull of proxy took 6s, more than 5s"},
			"trace-a", "",
		},
		"one pod of two": {
			verify.Expectation{},
			[]verify.PodPhase{pull("a", "app", time.Second, ""), pull("b", "app", 6*time.Second, "")},
			true, 1,
			[]string{"shop/web-b imagePull of app took 6s, more than 5s"},
			"trace-b", "",
		},
		"one pod of two, where all must hold": {
			verify.Expectation{EveryTrace: true},
			[]verify.PodPhase{pull("a", "app", time.Second, ""), pull("b", "app", 6*time.Second, "")},
			false, 1,
			[]string{"shop/web-b imagePull of app took 6s, more than 5s"},
			"trace-b", "",
		},
		"fewer pods than are asked for": {
			verify.Expectation{Traces: 3},
			[]verify.PodPhase{pull("a", "app", time.Second, ""), pull("b", "app", time.Second, "")},
			false, 2, nil, "", "MISSING  pulls        2       -      1s        only 2 of 3 traces",
		},
		"an error": {
			verify.Expectation{NoErrors: true},
			[]verify.PodPhase{pull("a", "app", time.Second, "no such image")},
			false, 0,
			[]string{`shop/web-a imagePull of app has an error: "no such image"`},
			"trace-a", "",
		},
		"an error that is allowed": {
			verify.Expectation{},
			[]verify.PodPhase{pull("a", "app", time.Second, "no such image")},
			true, 1, nil, "", "",
		},
		"no pod": {
			verify.Expectation{},
			nil, false, 0, nil, "",
			"MISSING  pulls        0       -      -         no pod shop/* has had the phase imagePull",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expectation := test.expectation
			expectation.Name, expectation.Phase, expectation.Pod = "pulls", "imagePull", "shop/*"
			expectation.MaxDuration = verify.Duration(5 * time.Second)
			check := verify.Check{
				Client: verify.Client{BaseURL: "http://jaeger"}, Expectations: []verify.Expectation{expectation}, Since: startOfTime, Interval: time.Millisecond,
				Phases: func(_ context.Context, client verify.Client, phase, pods string, since time.Time) ([]verify.PodPhase, error) {
					assert.Equal(t, []any{"http://jaeger", "imagePull", "shop/*", startOfTime}, []any{client.BaseURL, phase, pods, since})
					return test.phases, nil
				},
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			report := check.Run(ctx)
			require.NoError(t, report.Reason)
			result := report.Results[0]
			assert.Equal(t, test.met, report.Met())
			assert.Equal(t, test.traces, result.Traces)
			assert.Equal(t, test.broken, result.Broken)
			assert.Equal(t, test.brokenBy, result.BrokenBy)
			if test.table != "" {
				var table strings.Builder
				require.NoError(t, report.WriteTable(&table, "http://jaeger"))
				assert.Equal(t, test.table, strings.Split(table.String(), "\n")[1])
			}
		})
	}
}

func TestExpectation_PhaseUnknown(t *testing.T) {
	t.Parallel()
	check := verify.Check{
		Expectations: []verify.Expectation{{Name: "pulls", Phase: "imagePull", MaxDuration: 1}}, Interval: time.Millisecond,
	}
	run := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		return check.Run(ctx).Reason
	}
	require.EqualError(t, run(), "the phases of pods are not known here")
	check.Phases = func(context.Context, verify.Client, string, string, time.Time) ([]verify.PodPhase, error) {
		return nil, errors.New("Jaeger is away")
	}
	require.EqualError(t, run(), "Jaeger is away")
}

func TestReadExpectations_Phase(t *testing.T) {
	t.Parallel()
	expectations, err := verify.ReadExpectations([]byte("- {name: a, phase: imagePull, pod: shop/web-*, maxDuration: 5s, traces: 2}"))
	require.NoError(t, err)
	assert.Equal(t, []verify.Expectation{{
		Name: "a", Phase: "imagePull", Pod: "shop/web-*", MaxDuration: verify.Duration(5 * time.Second), Traces: 2,
	}}, expectations)

	_, err = verify.ReadExpectations([]byte(`
- {name: a, phase: pull, maxDuration: 5s}
- {name: b, phase: start, spans: [{service: x}], pod: "shop/[", maxDuration: 5s}
- {name: c, phase: start, pod: shop}
- {name: d, pod: shop/web}
`))
	require.EqualError(t, err, "read expectations: "+
		`[0].phase: "pull": must be one of accepted, scheduling, scheduled, noticed, volumes, sandbox, imagePull, create, start`+"\n"+
		"[1].spans: cannot be combined with phase\n"+
		`[1].pod: "shop/[": syntax error in pattern`+"\n"+
		"[2].maxDuration: is required together with phase\n"+
		`[2].pod: "shop": must be NAMESPACE/NAME`+"\n"+
		"[3].pod: is only valid together with phase")
}
