package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/kubeconfig"
	"github.com/kubetracing/kubetracing/infra/kubernetes"
	"github.com/kubetracing/kubetracing/infra/timeline"
	"github.com/kubetracing/kubetracing/infra/timeline/gather"
	"github.com/kubetracing/kubetracing/stacks"
)

// outputText is the form of a timeline for people.
const outputText = "text"

type timelineOptions struct {
	namespace, output, jaeger, kubeconfig, uid string
	watch                                      bool
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
			sources, err := a.sources(command.Context(), o, chosen)
			if err != nil {
				return err
			}
			if chosen.watch {
				return a.watchTimeline(command.Context(), sources, target, chosen)
			}
			found, err := sources.Timeline(command.Context(), target)
			if err != nil {
				return err
			}
			return a.printTimeline(found, chosen.output)
		},
	}
	flags := command.Flags()
	flags.StringVarP(&chosen.namespace, "namespace", "n", "default", "the object's namespace")
	flags.StringVarP(&chosen.output, "output", "o", outputText, outputText+" or "+outputJSON)
	flags.BoolVarP(&chosen.watch, "watch", "w", false, "wait until every pod is ready, has ended or fails")
	flags.DurationVar(&chosen.timeout, "timeout", 5*time.Minute, "how long to watch")
	flags.StringVar(&chosen.uid, "uid", "", "the uid of the pod, if there was more than one of this name (default: the newest)")
	flags.DurationVar(&chosen.lookback, "lookback", time.Hour, "how far back to search for an object that is gone")
	flags.StringVar(&chosen.jaeger, "jaeger", "", "Jaeger's query URL (default: the stack's)")
	flags.StringVar(&chosen.kubeconfig, "kubeconfig", "", "a kubeconfig with a client certificate (default: the stack's)")
	return command
}

// sources returns where the facts of a stack's cluster are. A cluster that cannot be
// reached is no error: Jaeger may still know.
func (a *App) sources(ctx context.Context, o *options, chosen *timelineOptions) (gather.Sources, error) {
	sources := gather.Sources{
		Jaeger: verify.Client{BaseURL: chosen.jaeger}, Lookback: chosen.lookback, Now: time.Now,
		Runtimes: []string{tracing.ServiceContainerd, tracing.ServiceCRIO},
	}
	if chosen.kubeconfig != "" {
		text, err := os.ReadFile(chosen.kubeconfig)
		if err != nil {
			return sources, fmt.Errorf("read kubeconfig: %w", err)
		}
		if sources.Cluster, err = newKubernetes(text, ""); err != nil {
			return sources, err
		}
		if chosen.jaeger != "" {
			return sources, nil
		}
	}
	stack, err := stacks.OpenFiles(o.root, o.stack)
	if err != nil {
		return sources, err
	}
	layout := stack.Layout()
	if chosen.jaeger == "" {
		sources.Jaeger.BaseURL = layout.JaegerURL
	}
	sampling := stack.Settings.Sampling
	sources.Rates = timeline.Rates{
		Known: true, APIServer: sampling.APIServer, Kubelet: sampling.Kubelet, Collector: sampling.Collector,
		UnnamedPods: !stack.Release.Rules.SyncPodSpans,
	}
	if sources.Cluster == nil {
		text, server, err := a.readKubeconfig(ctx, stack)
		if err != nil {
			sources.Away = err
			return sources, ctx.Err()
		}
		if sources.Cluster, err = newKubernetes(text, server); err != nil {
			return sources, err
		}
	}
	return sources, nil
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

// arrival is how long a component may take to send a span after its end: five seconds
// of a batch, and some for the way.
//
// Source: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
// (OTEL_BSP_SCHEDULE_DELAY).
const arrival = 8 * time.Second

// watchTimeline prints the state of pods whenever it changes and, when there is nothing
// to wait for any more and the last spans have arrived, their timeline.
func (a *App) watchTimeline(ctx context.Context, sources gather.Sources, target gather.Target, chosen *timelineOptions) error {
	ctx, cancel := context.WithTimeout(ctx, chosen.timeout)
	defer cancel()
	var last timeline.Timeline
	var settled time.Time
	said := map[string]string{}
	for {
		found, err := sources.Timeline(ctx, target)
		switch {
		case err == nil:
			last = found
			for _, pod := range found.Pods {
				if now := pod.Now(); said[pod.Name] != now {
					said[pod.Name] = now
					fmt.Fprintf(a.Stderr, "kubetracing: %s: %s\n", pod.Object, now)
				}
			}
		case ctx.Err() == nil && (last.Name == "" || !errors.Is(err, gather.ErrNotFound)):
			return err
		}
		switch {
		case !last.Settled():
			settled = time.Time{}
		case settled.IsZero():
			settled = time.Now()
		}
		complete := !settled.IsZero() && (last.Complete() || time.Since(settled) > arrival)
		if complete || wait(ctx, pollInterval) != nil {
			break
		}
	}
	if last.Name == "" {
		return fmt.Errorf("watch %s: %w", target.Name, ctx.Err())
	}
	if err := a.printTimeline(last, chosen.output); err != nil {
		return err
	}
	switch failed := last.Failed(); {
	case failed != "":
		return exitError{errors.New(failed), exitMissing}
	case settled.IsZero():
		return exitError{fmt.Errorf("%s is not ready after %s", last.Object, chosen.timeout), exitMissing}
	default:
		return nil
	}
}
