//go:build strict

package alexa_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// Why Amazon's verifier decides otherwise.
const (
	noSkillCheck = "the SDK leaves the id of the skill to the skill"
	noFuture     = "the SDK accepts any time that is not past"
	looseTime    = "the SDK takes what new Date of JavaScript takes, and accepts what is no time"
	loosePath    = "the SDK does not normalize the path"
	looseURL     = "the SDK ignores the rest of the URL, by which a stranger could name one file in many ways"
	looseBase64  = "Node ignores what is not base64"
	looseKeyUse  = "the SDK does not check what the certificate may be used for"
	noSizeLimit  = "the SDK reads a chain of any size"
	bodyAsText   = "the SDK decodes the body and encodes it again; the signature is of the bytes"
	onlyPEM      = "the SDK wants nothing after the last certificate"
)

// cases returns the requests that are compared.
func (f *forge) cases(t *testing.T) []*forgery {
	t.Helper()
	return slices.Concat(f.bodies(t), f.headers(t), f.urls(t), f.responses(t), f.certificates(t))
}

// as completes a case.
func (c *forgery) as(name string, accepted bool, because ...string) *forgery {
	c.name, c.accepted, c.because = name, accepted, strings.Join(because, "")
	return c
}

// bodies are requests that are signed well.
func (f *forge) bodies(t *testing.T) []*forgery {
	t.Helper()
	signed := func(requestType string, age time.Duration, changes ...string) *forgery {
		return f.signed(t, f.body(requestType, age, changes...))
	}
	rawTime := func(value string) *forgery {
		now := `"` + f.now.UTC().Format(time.RFC3339) + `"`
		return f.signed(t, strings.Replace(f.body("LaunchRequest", 0), now, value, 1))
	}
	zone := f.now.In(time.FixedZone("", 3600))
	return []*forgery{
		signed("LaunchRequest", 0).as("good", true),
		signed("IntentRequest", 0, `"version"`, `"text":"Grüße 你好 \u00e9","version"`).as("not ASCII", true),
		signed("IntentRequest", 0, `"version"`, "\"text\":\"\xff\",\"version\"").as("not UTF-8", true, bodyAsText),
		signed("LaunchRequest", 140*time.Second).as("140 s old", true),
		signed("LaunchRequest", 170*time.Second).as("170 s old", false),
		signed("LaunchRequest", 50*time.Minute).as("50 minutes old", false),
		signed("LaunchRequest", -140*time.Second).as("140 s ahead", true),
		signed("LaunchRequest", -170*time.Second).as("170 s ahead", false, noFuture),
		signed("LaunchRequest", -24*time.Hour).as("a day ahead", false, noFuture),
		signed("AlexaSkillEvent.SkillEnabled", 50*time.Minute).as("SkillEnabled, 50 minutes old", true),
		signed("AlexaSkillEvent.SkillDisabled", 50*time.Minute).as("SkillDisabled, 50 minutes old", true),
		signed("AlexaSkillEvent.SkillAccountLinked", 50*time.Minute).as("SkillAccountLinked, 50 minutes old", true),
		signed("AlexaSkillEvent.SkillPermissionAccepted", 50*time.Minute).as("SkillPermissionAccepted, 50 minutes old", true),
		signed("AlexaSkillEvent.SkillPermissionChanged", 50*time.Minute).as("SkillPermissionChanged, 50 minutes old", true),
		signed("AlexaSkillEvent.SkillDisabled", 61*time.Minute).as("SkillDisabled, 61 minutes old", false),
		signed("AlexaSkillEvent.SkillAccountUnlinked", 50*time.Minute).as("an event that is not in the list", false),
		signed("AlexaSkillEvent.SkillDisabled", -170*time.Second).as("SkillDisabled, 170 s ahead", false, noFuture),
		rawTime(`"`+zone.Format(time.RFC3339)+`"`).as("another time zone", true),
		rawTime(`"`+f.now.UTC().Format("2006-01-02T15:04:05.000Z07:00")+`"`).as("milliseconds", true),
		rawTime(`""`).as("an empty timestamp", false),
		rawTime("null").as("a null timestamp", false),
		rawTime(`"just now"`).as("a timestamp that is no time", false, looseTime),
		rawTime(fmt.Sprint(f.now.UnixMilli())).as("a timestamp that is a number", false, looseTime),
		rawTime(`"`+f.now.UTC().Format("2006-01-02 15:04:05Z07:00")+`"`).as("a timestamp without T", false, looseTime),
		signed("LaunchRequest", 0, `"request"`, `"Req"`).as("no request", false),
		signed("LaunchRequest", 0, `"timestamp"`, `"time"`).as("no timestamp", false),
		signed("LaunchRequest", 0, skillID, "amzn1.ask.skill.2").as("another skill", false, noSkillCheck),
		signed("LaunchRequest", 0, `"`+skillID+`"`, `""`).as("an empty skill", false, noSkillCheck),
		signed("LaunchRequest", 0, `"`+skillID+`"`, "1").as("a skill that is a number", false, noSkillCheck),
		signed("LaunchRequest", 0, skillID, skillID+" ").as("a skill with a space", false, noSkillCheck),
		signed("LaunchRequest", 0, "applicationId", "id").as("no skill", false, noSkillCheck),
		f.signed(t, "hello").as("not JSON", false),
		f.signed(t, "").as("empty", false),
		f.signed(t, "[]").as("an array", false),
		f.signed(t, f.body("LaunchRequest", 0)+"{}").as("two objects", false),
	}
}

// headers are good requests whose headers or bodies were changed.
func (f *forge) headers(t *testing.T) []*forgery {
	t.Helper()
	changed := func(change func(c *forgery)) *forgery {
		c := f.signed(t, f.body("LaunchRequest", 0))
		change(c)
		return c
	}
	signature := func(value func(body []byte, good string) string) *forgery {
		return changed(func(c *forgery) {
			c.header.Set("Signature-256", value(c.body, c.header.Get("Signature-256")))
		})
	}
	// scheme is a signature by the key of a certificate that is trusted.
	scheme := func(sign func(*testing.T, []byte) string) *forgery {
		c := f.signedBy(t, encode(f.certificate(t, f.root, &f.key.PublicKey)))
		c.header.Set("Signature-256", sign(t, c.body))
		return c
	}
	legacy := func(c *forgery) {
		c.header.Set("Signature", c.header.Get("Signature-256"))
		c.header.Del("Signature-256")
	}
	return []*forgery{
		changed(func(c *forgery) { c.body = bytes.Replace(c.body, []byte("Launch"), []byte("lAunch"), 1) }).as("a letter",
			false),
		changed(func(c *forgery) { c.body = append(c.body, '\n') }).as("a line break more", false),
		changed(func(c *forgery) { c.body = c.body[:len(c.body)-1] }).as("a byte less", false),
		changed(func(c *forgery) { c.body = append([]byte("\ufeff"), c.body...) }).as("a byte order mark", false),
		changed(func(c *forgery) { c.header.Del("Signature-256") }).as("no signature", false),
		changed(func(c *forgery) { c.header.Del("SignatureCertChainUrl") }).as("no certificate", false),
		changed(legacy).as("only the header Signature", false),
		changed(func(c *forgery) { c.header.Set("Signature", "AAAA") }).as("the header Signature is wrong, and not read",
			true),
		signature(func(_ []byte, _ string) string { return "" }).as("an empty signature", false),
		signature(func(_ []byte, _ string) string { return "AAAA" }).as("a short signature", false),
		signature(func(_ []byte, good string) string { return good[1:2] + good[:1] + good[2:] }).as("two letters swapped",
			false),
		signature(func(body []byte, _ string) string { return f.signature(t, body) }).as("by another key", false),
		scheme(f.sha1Signature).as("by SHA-1", false),
		scheme(f.pssSignature).as("by PSS", false),
		signature(func(_ []byte, good string) string { return good + ", " + good }).as("two signatures", false, looseBase64),
		signature(func(_ []byte, good string) string { return good + "!" }).as("base64 and more", false, looseBase64),
		signature(func(_ []byte, good string) string { return strings.TrimRight(good, "=") }).as("no padding", false,
			looseBase64),
	}
}
