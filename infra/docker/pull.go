package docker

import (
	"context"
	"fmt"
	"time"
)

// pullLimit bounds the pull of an image.
const pullLimit = 30 * time.Minute

// PullImage pulls an image.
func (c *Client) PullImage(ctx context.Context, reference string) error {
	_, err := c.docker(ctx, pullLimit, "pull", "--quiet", reference)
	if err != nil {
		return fmt.Errorf("pull image %s: %w", reference, err)
	}
	return nil
}
