package operator

import (
	"context"
	"slices"
	"strings"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/upstream"
)

// SubjectError means that links of several providers have the subject of a filter, perhaps of several people: only
// issuer and subject together are a person.
type SubjectError struct {
	Providers []string // with their issuers, for a person to read
}

func (e *SubjectError) Error() string {
	return "links of several providers have this subject, perhaps of several people: " + strings.Join(e.Providers, ", ")
}

// CheckSubject returns a [*SubjectError] if a filter with a subject and without a provider matches links of several
// providers. Before links are ended by a subject, it must be called. Test links are nobody's.
func CheckSubject(ctx context.Context, store bridge.Store, filter bridge.LinkFilter) error {
	if filter.Subject == "" || filter.Provider != "" {
		return nil
	}
	links, err := store.Links(ctx, filter)
	if err != nil {
		return err
	}
	var providers []string
	for _, link := range links {
		if !link.IsTest() {
			providers = append(providers, upstream.LogText(link.Provider.ID)+" ("+upstream.LogText(link.Issuer)+")")
		}
	}
	slices.Sort(providers)
	if providers = slices.Compact(providers); len(providers) > 1 {
		return &SubjectError{providers}
	}
	return nil
}
