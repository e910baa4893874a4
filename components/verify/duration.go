package verify

import (
	"errors"
	"time"
)

var errDuration = errors.New("must be a positive duration, as 1.5s")

// Duration is a length of time written as text, as 1.5s.
type Duration time.Duration

// MarshalText writes the duration as [time.Duration] does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a positive duration with its unit.
func (d *Duration) UnmarshalText(text []byte) error {
	value, err := time.ParseDuration(string(text))
	if err != nil || value <= 0 {
		return errDuration
	}
	*d = Duration(value)
	return nil
}

func (d Duration) String() string { return time.Duration(d).String() }
