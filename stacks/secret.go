package stacks

// blinded is what an encrypted value reads as where nobody can decrypt it.
//
// Source: github.com/pulumi/pulumi/sdk/v3 go/common/resource/config
// (NewBlindingDecrypter).
const blinded Secret = "[secret]"

// Secret is a value that no log, error or plan may show. Printing it shows that
// there is one.
type Secret string

// String hides the value from the verbs of package fmt.
func (Secret) String() string { return "[secret]" }

// GoString hides the value from %#v.
func (s Secret) GoString() string { return s.String() }
