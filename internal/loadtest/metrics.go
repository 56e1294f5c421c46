package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// counts are the metrics of a bridge by their names with their labels, as /metrics writes them.
type counts map[string]float64

// Metrics that are compared with what was asked.
const (
	countActive   = `bridge_lookups_total{outcome="active"}`
	countInactive = `bridge_lookups_total{outcome="inactive"}`
	countReads    = `bridge_lookup_reads_total{answered="true"}`
)

// count asks a bridge for its metrics.
func (s *target) count(ctx context.Context) (counts, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.admin+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("metrics: status %d", response.StatusCode)
	}
	read := counts{}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if number, err := strconv.ParseFloat(value, 64); err == nil && name != "#" {
			read[name] = number
		}
	}
	return read, lines.Err()
}

// since is how much a metric grew.
func (c counts) since(before counts, name string) int { return int(c[name] - before[name]) }
