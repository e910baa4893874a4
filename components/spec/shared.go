package spec

import "fmt"

// ToolsImage is the image of helper containers and of the test workloads. busybox
// is the smallest official image with a shell, tar, chown and sha256sum.
const ToolsImage = "busybox:1.37.0"

// Localhost is the address that everything published is bound to: a stack has no
// authentication of its own, so no other machine may reach it.
const Localhost = "127.0.0.1"

// JaegerURL returns the URL of the Jaeger whose UI and query API are published on
// a port of Localhost.
func JaegerURL(uiPort int) string { return fmt.Sprintf("http://%s:%d", Localhost, uiPort) }
