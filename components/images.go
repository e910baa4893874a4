package components

// Images that are not a stack's choice.
//
// busybox is the smallest official image with a shell, tar and sha256sum; it
// unpacks runtime releases and is what the echo workload runs.
const (
	toolsImage = "busybox:1.37.0"
	echoImage  = "docker.io/library/" + toolsImage
)
