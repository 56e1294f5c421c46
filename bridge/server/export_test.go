package server

import "context"

// Recheck rechecks the links that were used and those whose recheck is due, as Run does every second.
func (s *Server) Recheck(ctx context.Context) { s.recheck.Once(ctx) }

// RunLookups does what Run does for lookups, and nothing else, until the context ends.
func (s *Server) RunLookups(ctx context.Context) error { return s.introspect.Run(ctx) }

// LogUnnamed counts older links, as Run does once.
func (s *Server) LogUnnamed(ctx context.Context) { s.logUnnamed(ctx) }
