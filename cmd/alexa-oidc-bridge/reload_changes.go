package main

import (
	"fmt"
	"reflect"
	"slices"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/upstream"
	"alexa-oidc-bridge/config"
)

// findRemoved returns [config.Problems] if a skill or a provider is missing in a configuration that is loaded again.
func findRemoved(before, loaded *config.Config) error {
	var problems config.Problems
	report := func(list, what string, removed []string) {
		for _, id := range removed {
			problems = append(problems, config.Problem{
				Path: list, What: fmt.Sprintf("the %s %q is missing, which is being served", what, id),
				Hint: "put it back; or restart serve to remove it, and its links read inactive, so that Amazon may delete them",
			})
		}
	}
	report("providers", "provider", diffProviders(before, loaded).removed)
	report("skills", "skill", diffSkills(before, loaded).removed)
	if problems == nil {
		return nil
	}
	return problems
}

// keepFixed returns a loaded configuration with the values before of what only a restart changes, and the keys of those
// that differ.
func keepFixed(before, loaded *config.Config) (next *config.Config, keys []string) {
	next = new(*loaded)
	next.Listen, next.AdminListen = before.Listen, before.AdminListen
	next.Storage, next.Limits, next.Log.JSON = before.Storage, before.Limits, before.Log.JSON
	next.Server.PublicURL, next.Server.TrustedProxies = before.Server.PublicURL, before.Server.TrustedProxies
	next.Server.Memory = before.Server.Memory
	return next, differing(settings{
		{"public_url", before.Server.PublicURL, loaded.Server.PublicURL},
		{"listen", before.Listen, loaded.Listen},
		{"admin_listen", before.AdminListen, loaded.AdminListen},
		{"trusted_proxies", before.Server.TrustedProxies, loaded.Server.TrustedProxies},
		{"limits.connections", before.Limits.Connections, loaded.Limits.Connections},
		{"limits.memory", before.Limits.Memory, loaded.Limits.Memory},
		{"storage.driver", before.Storage.Driver, loaded.Storage.Driver},
		{"storage.dsn", before.Storage.DSN, loaded.Storage.DSN},
		{"lookup.memory", before.Server.Memory, loaded.Server.Memory},
		{"log.format", before.Log.JSON, loaded.Log.JSON},
	})
}

// settings are values before and after, by their keys in the configuration.
type settings []struct {
	key         string
	before, now any
}

func differing(all settings) (keys []string) {
	for _, setting := range all {
		if !reflect.DeepEqual(setting.before, setting.now) {
			keys = append(keys, setting.key)
		}
	}
	return keys
}

// describeChanges returns attributes of a log line: the ids of what was added, changed and removed, and the keys of
// other settings that have changed. It has no values, which may be secrets.
func describeChanges(before, now *config.Config) (attrs []any) {
	add := func(name string, ids []string) {
		if len(ids) > 0 {
			attrs = append(attrs, name, ids)
		}
	}
	for _, kind := range []struct {
		name string
		diff
	}{
		{"skills", diffSkills(before, now)},
		{"providers", diffProviders(before, now)},
		{"backends", diffBackends(before, now)},
		{"admin_tokens", diffAdminTokens(before, now)},
	} {
		add(kind.name+"_added", kind.added)
		add(kind.name+"_changed", kind.changed)
		add(kind.name+"_removed", kind.removed)
	}
	add("settings_changed", differing(settings{
		{"operator", before.Server.Operator, now.Server.Operator},
		{"limits.requests_per_minute", before.Server.Limits.RequestsPerMinute, now.Server.Limits.RequestsPerMinute},
		{"limits.failures_per_minute", before.Server.Limits.FailuresPerMinute, now.Server.Limits.FailuresPerMinute},
		{"keys", before.Server.Keys, now.Server.Keys},
		{"lookup.max_staleness", before.Server.MaxStaleness, now.Server.MaxStaleness},
		{"templates_dir", before.Server.Templates, now.Server.Templates},
		{"log.level", before.Log.Level, now.Log.Level},
		{"ended_retention", before.Server.EndedRetention, now.Server.EndedRetention},
		{"audit_retention", before.Server.AuditRetention, now.Server.AuditRetention},
	}))
	return attrs
}

// diff is how a list has changed, by ids.
type diff struct {
	added, changed, removed []string
}

func diffSkills(before, now *config.Config) diff {
	return diffLists(before.Server.Skills, now.Server.Skills,
		func(skill *bridge.Skill) string { return skill.ClientID },
		func(a, b *bridge.Skill) bool { return reflect.DeepEqual(a, b) })
}

func diffBackends(before, now *config.Config) diff {
	return diffLists(before.Server.Backends, now.Server.Backends,
		func(backend *bridge.Backend) string { return backend.ID },
		func(a, b *bridge.Backend) bool { return reflect.DeepEqual(a, b) })
}

func diffAdminTokens(before, now *config.Config) diff {
	return diffLists(before.Server.AdminTokens, now.Server.AdminTokens,
		func(token bridge.AdminToken) string { return token.Name },
		func(a, b bridge.AdminToken) bool { return reflect.DeepEqual(a, b) })
}

func diffProviders(before, now *config.Config) diff {
	return diffLists(before.Server.Providers, now.Server.Providers,
		func(provider upstream.Config) string { return provider.ID },
		func(a, b upstream.Config) bool {
			same := a.CAs.Equal(b.CAs) && reflect.DeepEqual(before.Server.Accounts[a.ID], now.Server.Accounts[b.ID])
			a.CAs, b.CAs = nil, nil // have functions, which cannot be compared
			return same && reflect.DeepEqual(a, b)
		})
}

func diffLists[T any](before, now []T, id func(T) string, same func(a, b T) bool) (d diff) {
	index := func(list []T, key string) int {
		return slices.IndexFunc(list, func(element T) bool { return id(element) == key })
	}
	for _, element := range now {
		switch i := index(before, id(element)); {
		case i < 0:
			d.added = append(d.added, id(element))
		case !same(before[i], element):
			d.changed = append(d.changed, id(element))
		}
	}
	for _, element := range before {
		if index(now, id(element)) < 0 {
			d.removed = append(d.removed, id(element))
		}
	}
	return d
}
