package conformance

import (
	"os"
	"testing"

	"github.com/kubetracing/kubetracing/test/internal/environment"
)

func TestMain(m *testing.M) { os.Exit(environment.Run(m)) }
