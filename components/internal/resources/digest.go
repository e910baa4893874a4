package resources

import (
	"crypto/sha256"
	"encoding/hex"
)

// ShortDigest returns the first digits of a text's SHA-256.
func ShortDigest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])[:12]
}
