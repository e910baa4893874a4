package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubetracing/kubetracing/components/poll"
	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/kubeconfig"
	"github.com/kubetracing/kubetracing/infra/kubernetes"
	"github.com/kubetracing/kubetracing/infra/otlp"
	"github.com/kubetracing/kubetracing/infra/timeline"
	"github.com/kubetracing/kubetracing/infra/timeline/gather"
	"github.com/kubetracing/kubetracing/stacks"
)

// outputText is the form of a timeline for people.
const outputText = "text"

type timelineOptions struct {
	namespace, output, jaeger, kubeconfig, uid string
	watch, send                                bool
	timeout, lookback                          time.Duration
}

func newTimeline(a *App, o *options) *cobra.Command {
	chosen := &timelineOptions{}
	command := &cobra.Command{
		Use:   "timeline KIND/NAME",
		Short: "Show where the time of a pod went: who did what, and who waited for whom",
		Long: `Joins the object, its Events and the spans of kube-apiserver, kubelet and container
runtime into one waterfall:

  kubetracing timeline pod/web --namespace shop

KIND is pod, or deployment, replicaset, daemonset, statefulset or job, which show their
pods; a NAME alone is enough where only one kind has it. A pod that is gone is told from
Events and spans.

Exit codes, besides 0 for success and 1 for a command that could not run:
  2  with --watch: a pod failed, or the time is over`,
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			if chosen.output != outputText && chosen.output != outputJSON {
				return fmt.Errorf("--output: %q: must be %s or %s", chosen.output, outputText, outputJSON)
			}
			target, err := gather.ParseTarget(arguments[0], chosen.namespace)
			if err != nil {
				return err
			}
			target.UID = chosen.uid
			ctx := command.Context()
			sources, sender, err := a.sources(ctx, o, chosen)
			if err != nil {
				return err
			}
			var found timeline.Timeline
			var verdict error
			if chosen.watch {
				found, verdict = a.watchTimeline(ctx, sources, target, chosen.timeout)
			} else {
				found, err = sources.Timeline(ctx, target)
			}
			if err != nil || found.Name == "" {
				return errors.Join(err, verdict)
			}
			if err := a.printTimeline(found, chosen.output); err != nil {
				return err
			}
			if chosen.send {
				if err := a.sendTimeline(ctx, sources.Jaeger, sender, found); err != nil {
					return err
				}
			}
			return verdict
		},
	}
	flags := command.Flags()
	flags.StringVarP(&chosen.namespace, "namespace", "n", "default", "the object's namespace")
	flags.StringVarP(&chosen.output, "output", "o", outputText, outputText+" or "+outputJSON)
	flags.BoolVarP(&chosen.watch, "watch", "w", false, "wait until every pod is ready, has ended or fails")
	flags.DurationVar(&chosen.timeout, "timeout", 5*time.Minute, "how long to watch")
	flags.StringVar(&chosen.uid, "uid", "", "the uid of the pod, if there was more than one of this name (default: the newest)")
	flags.DurationVar(&chosen.lookback, "lookback", time.Hour, "how far back to search for an object that is gone")
	flags.BoolVar(&chosen.send, "send", false, "also write the timeline to Jaeger, as a trace of service "+timeline.Service+" with links to the real spans")
	flags.StringVar(&chosen.jaeger, "jaeger", "", "Jaeger's query URL (default: the stack's)")
	flags.StringVar(&chosen.kubeconfig, "kubeconfig", "", "a kubeconfig with a client certificate (default: the stack's)")
	return command
}

// sources returns where the facts of a stack's cluster are, and what sends spans to it.
// A cluster that cannot be reached is no error: Jaeger may still know.
func (a *App) sources(ctx context.Context, o *options, chosen *timelineOptions) (gather.Sources, otlp.Sender, error) {
	var sender otlp.Sender
	sources := gather.Sources{
		Jaeger: verify.Client{BaseURL: chosen.jaeger}, Lookback: chosen.lookback, Now: time.Now,
		Runtimes: []string{tracing.ServiceContainerd, tracing.ServiceCRIO},
	}
	if chosen.kubeconfig != "" {
		text, err := os.ReadFile(chosen.kubeconfig)
		if err != nil {
			return sources, sender, fmt.Errorf("read kubeconfig: %w", err)
		}
		if sources.Cluster, err = newKubernetes(text, ""); err != nil {
			return sources, sender, err
		}
		if chosen.jaeger != "" && !chosen.send {
			return sources, sender, nil
		}
	}
	stack, err := stacks.OpenFiles(o.root, o.stack)
	if err != nil {
		return sources, sender, err
	}
	layout := stack.Layout()
	if chosen.jaeger == "" {
		sources.Jaeger.BaseURL = layout.JaegerURL
	}
	// What the Collector drops would be missing in Jaeger.
	sender = otlp.NewSender(a.Docker, stack)
	sampling := stack.Settings.Sampling
	sources.Rates = timeline.Rates{
		Known: true, APIServer: sampling.APIServer, Kubelet: sampling.Kubelet, Collector: sampling.Collector,
		UnnamedPods: !stack.Release.Rules.SyncPodSpans,
	}
	if sources.Cluster == nil {
		text, server, err := a.readKubeconfig(ctx, stack)
		if err != nil {
			sources.Away = err
			return sources, sender, ctx.Err()
		}
		if sources.Cluster, err = newKubernetes(text, server); err != nil {
			return sources, sender, err
		}
	}
	return sources, sender, nil
}

func newKubernetes(text []byte, server string) (*kubernetes.Client, error) {
	config, err := kubeconfig.Read(text)
	if err != nil {
		return nil, err
	}
	return kubernetes.New(config, server)
}

func (a *App) printTimeline(found timeline.Timeline, output string) error {
	if output == outputJSON {
		encoder := json.NewEncoder(a.Stdout)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(found); err != nil {
			return fmt.Errorf("print timeline: %w", err)
		}
		return nil
	}
	return found.Write(a.Stdout, a.OutWidth)
}

// sendTimeline writes a timeline to Jaeger, unless it is there already.
func (a *App) sendTimeline(ctx context.Context, jaeger verify.Client, sender otlp.Sender, found timeline.Timeline) error {
	traces, id, err := found.Encode()
	if err != nil {
		return err
	}
	// A Jaeger that does not answer may still receive.
	if has, err := jaeger.Has(ctx, id); err != nil || !has {
		if err := sender.Send(ctx, traces); err != nil {
			return err
		}
	}
	fmt.Fprintf(a.Stderr, "kubetracing: the timeline is %s\n", verify.TraceURL(jaeger.BaseURL, id))
	return nil
}

// arrival is how long a component may take to send a span after its end: five seconds
// of a batch, and some for the way.
//
// Source: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
// (OTEL_BSP_SCHEDULE_DELAY).
const arrival = 8 * time.Second

// watchTimeline prints the state of pods whenever it changes until there is nothing to
// wait for any more and the last spans have arrived. The error is the verdict on the
// timeline that it returns.
func (a *App) watchTimeline(ctx context.Context, sources gather.Sources, target gather.Target, timeout time.Duration) (timeline.Timeline, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var last timeline.Timeline
	var settled time.Time
	said := map[string]string{}
	err := poll.Loop{Interval: pollInterval}.Until(ctx, func(ctx context.Context) (string, bool, error) {
		found, err := sources.Timeline(ctx, target)
		if err != nil {
			if ctx.Err() != nil {
				return "", false, context.Cause(ctx)
			}
			return "", false, err
		}
		last = found
		a.sayChanges(found, said)
		switch {
		case !last.Settled():
			settled = time.Time{}
		case settled.IsZero():
			settled = time.Now()
		}
		return "", !settled.IsZero() && (last.Complete() || time.Since(settled) > arrival), nil
	})
	if err != nil && ctx.Err() == nil {
		return timeline.Timeline{}, err
	}
	if last.Name == "" {
		return last, fmt.Errorf("watch %s: %w", target.Name, ctx.Err())
	}
	switch failed := last.Failed(); {
	case failed != "":
		return last, exitError{errors.New(failed), exitMissing}
	case settled.IsZero():
		return last, exitError{fmt.Errorf("%s is not ready after %s", last.Object, timeout), exitMissing}
	default:
		return last, nil
	}
}

// sayChanges prints what pods do, if they have not done it before.
func (a *App) sayChanges(found timeline.Timeline, said map[string]string) {
	for _, pod := range found.Pods {
		if now := pod.Now(); said[pod.Name] != now {
			said[pod.Name] = now
			fmt.Fprintf(a.Stderr, "kubetracing: %s: %s\n", pod.Object, now)
		}
	}
}
