package program

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestAnUpdateSaysWhichPhaseItIsIn(t *testing.T) {
	t.Parallel()
	// at ends a phase after a time.
	type at struct {
		after time.Duration
		phase int
	}
	tests := map[string]struct {
		ends []at
		want []string
	}{
		"one after the other": {
			[]at{{5 * time.Second, 0}, {10 * time.Second, 1}, {15 * time.Second, 2}},
			[]string{"phase 1 of 3: images", "phase 2 of 3: cluster", "phase 3 of 3: waiting for spans"},
		},
		"the first that is not over, whatever else is": {
			[]at{{5 * time.Second, 1}, {10 * time.Second, 0}, {15 * time.Second, 2}},
			[]string{"phase 1 of 3: images", "phase 3 of 3: waiting for spans"},
		},
		"not what is over at once": {
			[]at{{100 * time.Millisecond, 0}, {5 * time.Second, 1}, {5100 * time.Millisecond, 2}},
			[]string{"phase 2 of 3: cluster"},
		},
		"nothing where nothing changes": {[]at{{0, 0}, {0, 1}, {0, 2}}, nil},
		"where it got stuck":            {[]at{{5 * time.Second, 0}}, []string{"phase 1 of 3: images", "phase 2 of 3: cluster"}},
	}
	for behaviour, test := range tests {
		t.Run(behaviour, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var said []string
				p := &phases{
					announced: -1, names: []string{"images", "cluster", "waiting for spans"}, over: make([]bool, 3),
					say: func(message string) { said = append(said, message) },
				}
				p.start()
				var passed time.Duration
				for _, end := range test.ends {
					time.Sleep(end.after - passed)
					passed = end.after
					p.end(end.phase)
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				assert.Equal(t, test.want, said)
			})
		})
	}
}
