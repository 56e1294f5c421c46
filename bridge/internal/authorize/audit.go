package authorize

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"alexa-oidc-bridge/bridge"
)

// Refusals change nothing, so anybody can cause them without end. Those beyond a limit are in the log only.
const (
	// maxRefusals is how many refusals of one person are recorded in a minute, or before a sign-in of one address.
	maxRefusals = 10
	// maxUnknownRefusals is how many refusals before a sign-in are recorded in a minute in all.
	maxUnknownRefusals = 30
)

// recordRefusal adds to the audit log that somebody could not link, or did not want to. The person is the zero value
// before a sign-in.
func (h *Handler) recordRefusal(r *http.Request, f *flow, person bridge.Identity, reason bridge.Reason) {
	if !h.mayRecordRefusal(r, person) {
		return
	}
	ctx, cancel := bridge.WithStoreTimeout(context.WithoutCancel(r.Context()))
	defer cancel()
	err := h.Store.Record(ctx, bridge.AuditRecord{
		At: h.Now(), Event: bridge.AuditRefused, Reason: reason, Actor: bridge.ActorPerson,
		ClientID: f.clientID(), Provider: f.provider, Subject: person.Subject, Origin: h.Origin(r),
	})
	if err != nil {
		h.Sampler.Log(ctx, h.flowLog(ctx, f), slog.LevelWarn, notRecorded, notRecorded, "reason", reason, "error", err)
	}
}

// notRecorded is the message, and the kind for the sampler, of a line about a record that could not be written.
const notRecorded = "audit record not written"

// mayRecordRefusal reports whether a refusal is within the limits, and counts it.
func (h *Handler) mayRecordRefusal(r *http.Request, person bridge.Identity) bool {
	minute := h.Now().Truncate(time.Minute).Format(time.RFC3339)
	if person.Subject != "" {
		return h.refusals.Add(minute+string(person.Person())) <= maxRefusals
	}
	network := h.Failures.Network(r)
	if network.IsValid() && h.refusals.Add(minute+network.String()) > maxRefusals {
		return false
	}
	return h.refusals.Add(minute) <= maxUnknownRefusals
}

// refusedPerson returns who was refused, or the zero value before a sign-in.
func refusedPerson(f *flow, err error) bridge.Identity {
	if e, ok := errors.AsType[*notAllowedError](err); ok && e.person != nil {
		return e.person.Identity
	}
	return f.person
}
