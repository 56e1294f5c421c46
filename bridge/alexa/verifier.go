package alexa

import (
	"cmp"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// ErrNotFromAlexa means that Alexa did not send a request to one of the skills just now. It is certain: respond with
// status 400. Any other error of [Verifier.Verify] means that it could not be found out, because the certificate could
// not be fetched or the Verifier has no SkillIDs: respond with status 503.
var ErrNotFromAlexa = errors.New("alexa: the request is not from Alexa to this skill")

// ErrOtherSkill is in the chain of an [ErrNotFromAlexa] about a request that names a skill that is not one of SkillIDs.
// Nothing else of the request was verified.
var ErrOtherSkill = errors.New("the request is for another skill")

var errNoSkillIDs = errors.New("alexa: the Verifier accepts no request; set SkillIDs")

// refused returns an error with ErrNotFromAlexa in its chain.
func refused(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrNotFromAlexa, fmt.Errorf(format, args...))
}

const (
	// defaultTolerance and defaultEventTolerance are those of Amazon's SDK for Node. Events are delivered late.
	defaultTolerance      = 150 * time.Second
	defaultEventTolerance = time.Hour
)

// skillEvents are the types of requests for which EventTolerance holds.
var skillEvents = []string{
	eventPrefix + "SkillEnabled", SkillDisabled, SkillAccountLinked,
	eventPrefix + "SkillPermissionAccepted", eventPrefix + "SkillPermissionChanged",
}

// Verifier verifies that requests come from Alexa, which Amazon requires of each skill that is not on AWS Lambda:
//
//   - The header SignatureCertChainUrl names a chain of certificates on Amazon's server. The first one is for
//     echo-api.amazon.com, and the chain leads to a trusted authority and is valid now, also if it was fetched earlier.
//   - The header Signature-256 is a signature of the exact bytes of the body, by RSA with SHA-256. The older header
//     Signature, by SHA-1, is not read.
//   - The request was sent just now. A request that is repeated within that time is accepted again: a skill in which
//     that does harm must remember request.requestId.
//   - The request is for one of SkillIDs. The signature alone does not say so: Alexa signs requests to anybody's skill.
//
// SkillIDs must be set; all else may be zero. A Verifier is safe for concurrent use, and must not be copied after the
// first use.
type Verifier struct {
	SkillIDs []string // amzn1.ask.skill.…, those that are served

	Tolerance      time.Duration // how old a request may be, or how far ahead of the clock; 0: 150 seconds
	EventTolerance time.Duration // how old a skill event may be, such as AlexaSkillEvent.SkillDisabled; 0: an hour

	Roots     *x509.CertPool    // the authorities that are trusted; nil: those of the system
	Transport http.RoundTripper // fetches certificates; nil: [http.DefaultTransport]
	Now       func() time.Time  // nil: [time.Now]

	chains chains
}

// Verify returns nil if a request with this header and exactly this body is from Alexa, and otherwise
// [ErrNotFromAlexa] or, if that is not certain, another error. Errors contain nothing of the body.
func (v *Verifier) Verify(ctx context.Context, header http.Header, body []byte) error {
	if len(v.SkillIDs) == 0 {
		return errNoSkillIDs
	}
	chainURL, err := single(header, "SignatureCertChainUrl")
	if err != nil {
		return err
	}
	encoded, err := single(header, "Signature-256")
	if err != nil {
		return err
	}
	signature, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return refused("Signature-256 is not base64")
	}
	now := v.now()
	if err := v.checkBody(body, now); err != nil { // first, since it fetches nothing
		return err
	}
	key, err := v.chains.key(ctx, v, chainURL, now)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(body)
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) != nil {
		return refused("the signature is not that of the body")
	}
	return nil
}

// NeedsFetch reports whether [Verifier.Verify] does not remember the certificate of a request, and so has to fetch it
// first. Anybody can cause that, so a server may let fewer such requests wait at once than others. A certificate that
// has expired since is remembered, and fetched again all the same.
func (v *Verifier) NeedsFetch(header http.Header) bool {
	chainURL, err := single(header, "SignatureCertChainUrl")
	return err == nil && !v.chains.has(chainURL)
}

// CheckBody checks what [Verifier.Verify] checks but for the signature: when a request was sent, and to which skill. It
// is for a body without a signature from somebody who may vouch for it, such as the input of a function on AWS Lambda.
// Its errors are those of Verify.
func (v *Verifier) CheckBody(body []byte) error {
	if len(v.SkillIDs) == 0 {
		return errNoSkillIDs
	}
	return v.checkBody(body, v.now())
}

func (v *Verifier) now() time.Time {
	if v.Now != nil {
		return v.Now()
	}
	return time.Now()
}

// single returns the only value of a header.
func single(header http.Header, name string) (string, error) {
	switch values := header.Values(name); {
	case len(values) == 0:
		return "", refused("the header %s is missing", name)
	case len(values) > 1:
		return "", refused("there are several headers %s", name)
	default:
		return values[0], nil
	}
}

// envelope is the body of a request. Its names are exact, and of equal names the last one counts, as for skills in
// other languages: decoding into a struct ignores case, and mixes the values of equal names.
type envelope struct {
	root      any
	malformed bool // a value was of another type than was asked for
}

// value returns the value at a path of names, or nil if it is absent or null.
func (e *envelope) value(path ...string) any {
	value := e.root
	for _, name := range path {
		object, isObject := value.(map[string]any)
		e.malformed = e.malformed || value != nil && !isObject
		value = object[name]
	}
	return value
}

// text returns the text at a path of names, or "" if it is absent or null.
func (e *envelope) text(path ...string) string {
	value := e.value(path...)
	text, isText := value.(string)
	e.malformed = e.malformed || value != nil && !isText
	return text
}

// checkBody checks when a request was sent, and to which skill.
func (v *Verifier) checkBody(body []byte, now time.Time) error {
	var e envelope
	err := json.Unmarshal(body, &e.root)
	timestamp, requestType := e.text("request", "timestamp"), e.text("request", "type")
	ids := []string{
		e.text("context", "System", "application", "applicationId"), e.text("session", "application", "applicationId"),
	}
	if err != nil || e.malformed {
		return refused("the body is not a request of Alexa")
	}
	if err := v.checkTime(timestamp, requestType, now); err != nil {
		return err
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return id == "" })
	if len(ids) == 0 {
		return refused("the request does not name a skill")
	}
	if slices.ContainsFunc(ids, func(id string) bool { return !slices.Contains(v.SkillIDs, id) }) {
		return refused("%w", ErrOtherSkill)
	}
	return nil
}

func (v *Verifier) checkTime(timestamp, requestType string, now time.Time) error {
	sent, err := time.Parse(time.RFC3339, timestamp)
	if err != nil {
		return refused("request.timestamp is missing, or is not a time in the format of RFC 3339")
	}
	ahead := cmp.Or(v.Tolerance, defaultTolerance)
	oldest := ahead
	if slices.Contains(skillEvents, requestType) {
		oldest = cmp.Or(v.EventTolerance, defaultEventTolerance)
	}
	switch age := now.Sub(sent); {
	case age > oldest:
		return refused("the request is %v old, and at most %v is accepted; check the clock", age.Round(time.Second), oldest)
	case age < -ahead:
		return refused("the request is from %v ahead of the clock, and at most %v is accepted; check the clock",
			-age.Round(time.Second), ahead)
	}
	return nil
}
