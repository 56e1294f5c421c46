package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

// party is a sender or receiver of requests.
type party string

// Parties, as the page names them.
const (
	partyAlexa     party = "Alexa"
	partyBrowser   party = "Browser"
	partyBridge    party = "Bridge"
	partyProvider  party = "Company sign-in"
	partySkill     party = "Skill backend"
	partyOperator  party = "Operator"
	partyAdmin     party = "Company admin"
	partyDirectory party = "Company directory"
)

// step is one request, with its response. Secrets in it are shortened.
type step struct {
	From, To party
	Why      string
	Request  []string // lines; none: the step is the response to an earlier request
	Response []string // lines; none: there is none yet, or it is a step of its own
}

// Class is the name of the party in the style sheet.
func (p party) Class() string { return strings.ToLower(strings.Fields(string(p))[0]) }

// section is all steps after one action of a person.
type section struct {
	Title string
	Steps []step
}

// recentSteps is how many steps of a section are never folded.
const recentSteps = 3

// Older returns how many steps of the section are folded on a phone.
func (s section) Older() int { return max(0, len(s.Steps)-recentSteps) }

// Limits of what is kept.
const (
	maxSections = 60
	maxSteps    = 60
)

// transcript is what happened, in order. It is safe for concurrent use.
type transcript struct {
	mu       sync.Mutex
	sections []*section
}

func (t *transcript) startSection(title string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.startLocked(title)
}

func (t *transcript) startLocked(title string) {
	t.sections = append(t.sections, &section{Title: title})
	t.sections = t.sections[max(0, len(t.sections)-maxSections):]
}

// ensureSection starts a section unless the last one has the title.
func (t *transcript) ensureSection(title string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.sections); n == 0 || t.sections[n-1].Title != title {
		t.startLocked(title)
	}
}

// add adds a step that is complete.
func (t *transcript) add(added step) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.addLocked(added)
}

// addLocked returns the section with the step, or nil if there is no room.
func (t *transcript) addLocked(added step) *section {
	if len(t.sections) == 0 {
		t.sections = append(t.sections, &section{Title: "Before the first action"})
	}
	last := t.sections[len(t.sections)-1]
	if len(last.Steps) >= maxSteps {
		return nil
	}
	last.Steps = append(last.Steps, added)
	return last
}

// addRequest adds a step without its response, and returns a function that adds the response. If there are other
// requests in between, the response is a step of its own, so that the transcript is in the order of time.
func (t *transcript) addRequest(request step) (addResponse func(response []string, why string)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	in := t.addLocked(request)
	if in == nil {
		return func([]string, string) {}
	}
	at := len(in.Steps) - 1
	return func(response []string, why string) {
		t.mu.Lock()
		defer t.mu.Unlock()
		if at == len(in.Steps)-1 {
			in.Steps[at].Response = response
			return
		}
		in.Steps = append(in.Steps, step{From: request.To, To: request.From, Why: why, Response: response})
	}
}

// snapshot returns a copy of all sections, oldest first.
func (t *transcript) snapshot() []section {
	t.mu.Lock()
	defer t.mu.Unlock()
	sections := make([]section, len(t.sections))
	for i, s := range t.sections {
		sections[i] = section{Title: s.Title, Steps: slices.Clone(s.Steps)}
	}
	return sections
}

// write writes the transcript as plain text.
func (t *transcript) write(out io.Writer) {
	for _, section := range t.snapshot() {
		fmt.Fprintf(out, "\n%s\n%s\n", section.Title, strings.Repeat("=", len(section.Title)))
		for i, step := range section.Steps {
			fmt.Fprintf(out, "\n%2d. %s -> %s\n", i+1, step.From, step.To)
			writeIndented(out, "    ", wrap(step.Why))
			writeIndented(out, "      > ", step.Request)
			writeIndented(out, "      < ", step.Response)
		}
	}
}

func writeIndented(out io.Writer, indent string, lines []string) {
	for _, line := range lines {
		fmt.Fprintln(out, indent+line)
	}
}

// lineWidth is the length of wrapped lines.
const lineWidth = 100

// wrap breaks a text into lines of at most lineWidth.
func wrap(text string) []string {
	var lines []string
	for word := range strings.FieldsSeq(text) {
		last := len(lines) - 1
		if last < 0 || len(lines[last])+len(word) >= lineWidth {
			lines = append(lines, word)
			continue
		}
		lines[last] += " " + word
	}
	return lines
}
