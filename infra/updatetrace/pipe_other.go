//go:build !unix

package updatetrace

import "errors"

func makePipe(string) error { return errors.ErrUnsupported }
