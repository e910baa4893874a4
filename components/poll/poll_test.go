package poll_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/poll"
)

func TestLoop_Until(t *testing.T) {
	t.Run("reports a status when it has changed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			statuses := []string{"one", "one", "", "two", "three"}
			var reported []string
			var at []time.Duration
			start, calls := time.Now(), 0
			loop := poll.Loop{Interval: time.Second, Progress: func(status string) { reported = append(reported, status) }}
			err := loop.Until(t.Context(), func(context.Context) (string, bool, error) {
				at = append(at, time.Since(start))
				calls++
				return statuses[calls-1], calls == len(statuses), nil
			})
			require.NoError(t, err)
			assert.Equal(t, []string{"one", "two"}, reported)
			assert.Equal(t, []time.Duration{0, time.Second, 2 * time.Second, 3 * time.Second, 4 * time.Second}, at)
		})
	})
	t.Run("returns the error of the check", func(t *testing.T) {
		failure := errors.New("gone")
		err := poll.Loop{Interval: time.Second}.Until(t.Context(), func(context.Context) (string, bool, error) { return "", false, failure })
		require.ErrorIs(t, err, failure)
	})
	t.Run("returns the cause of the context's end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			late := errors.New("too late")
			ctx, cancel := context.WithTimeoutCause(t.Context(), 2500*time.Millisecond, late)
			defer cancel()
			calls := 0
			err := poll.Loop{Interval: time.Second}.Until(ctx, func(context.Context) (string, bool, error) { calls++; return "", false, nil })
			require.ErrorIs(t, err, late)
			assert.Equal(t, 3, calls)
		})
	})
	t.Run("checks nothing after the context's end", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := poll.Loop{Interval: time.Second}.Until(ctx, func(context.Context) (string, bool, error) {
			t.Error("checked")
			return "", true, nil
		})
		require.ErrorIs(t, err, context.Canceled)
	})
}
