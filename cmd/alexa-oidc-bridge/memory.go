package main

import (
	"log/slog"
	"os"
	"runtime/debug"

	"alexa-oidc-bridge/cmd/alexa-oidc-bridge/internal/process"
	"alexa-oidc-bridge/config"
)

// limitMemory tells the Go runtime what memory this process may have, so that it collects garbage in time. GOMEMLIMIT,
// which the runtime reads by itself, wins.
func limitMemory(log *slog.Logger, loaded *config.Config) {
	limit, source := loaded.Limits.Memory, "limits.memory"
	if limit == 0 {
		limit, source = process.MemoryLimit(os.DirFS("/")), "control group"
	}
	switch soft, fits := softLimit(limit, int64(loaded.Server.Memory)); {
	case os.Getenv("GOMEMLIMIT") != "":
		log.Info("memory limit", "source", "GOMEMLIMIT", "go_bytes", debug.SetMemoryLimit(-1))
	case limit == 0:
		log.Info("no memory limit", "hint", "set limits.memory, or a limit of the container or the unit")
	default:
		debug.SetMemoryLimit(soft)
		log.Info("memory limit", "source", source, "bytes", limit, "go_bytes", soft)
		if !fits {
			log.Warn("lookup.memory takes most of the memory limit", "bytes", limit, "hint", "lower it, or raise the limit")
		}
	}
}

// softLimit returns how much of a limit the Go runtime may have: nine tenths, without the lookup responses, which are
// not in its memory. If that is less than a quarter, they do not fit, and it gets the quarter: with less it would do
// little but collect garbage.
func softLimit(limit, lookupMemory int64) (soft int64, fits bool) {
	soft = limit/10*9 - lookupMemory
	return max(soft, limit/4), soft >= limit/4
}
