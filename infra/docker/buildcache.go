package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// CacheRecord is a record in the cache of image builds.
type CacheRecord struct {
	ID string
	// Description says what made it, such as the command of a RUN.
	Description string
	// Created and Used are when it was made and last used.
	Created, Used time.Time
}

// BuildCache lists the records of the daemon's cache of image builds.
func (c *Client) BuildCache(ctx context.Context) ([]CacheRecord, error) {
	result, err := c.query(ctx, "system", "df", "--verbose", "--format", "{{json .BuildCache}}")
	if err != nil {
		return nil, wrap(err, "list the build cache")
	}
	// Source: github.com/docker/cli cli/command/formatter/buildcache.go.
	var listed []struct {
		ID          string `json:"ID"`
		Description string `json:"Description"`
		CreatedAt   string `json:"CreatedAt"`
		LastUsedAt  string `json:"LastUsedAt"`
	}
	if err := json.Unmarshal([]byte(result.Stdout), &listed); err != nil {
		return nil, fmt.Errorf("list the build cache: docker system df: read JSON: %w", err)
	}
	records := make([]CacheRecord, len(listed))
	for i, l := range listed {
		records[i] = CacheRecord{l.ID, l.Description, parseTime(l.CreatedAt), parseTime(l.LastUsedAt)}
	}
	return records, nil
}

// parseTime reads what [time.Time.String] writes; anything else is zero.
func parseTime(text string) time.Time {
	text, _, _ = strings.Cut(text, " m=")
	parsed, err := time.Parse("2006-01-02 15:04:05.999999999 -0700 MST", text)
	if err != nil {
		return time.Time{}
	}
	return parsed
}
