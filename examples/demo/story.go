package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

// party is somebody who sends or gets a request.
type party string

// Parties, by the names that the page shows.
const (
	partyAlexa    party = "Alexa"
	partyBrowser  party = "Browser"
	partyBridge   party = "Bridge"
	partyProvider party = "Company sign-in"
	partySkill    party = "Skill backend"
	partyOperator party = "Operator"
)

// step is one thing that happened. No secret is in it: what it shows of one was shortened before.
type step struct {
	From, To party
	Why      string
	Request  []string // in lines; none: the step is the answer to an earlier one
	Answer   []string // in lines; none: there is none yet, or it is a step of its own
}

// Class is a short name that the style sheet knows.
func (p party) Class() string { return strings.ToLower(strings.Fields(string(p))[0]) }

// chapter is all that came of one thing that a person did.
type chapter struct {
	Title string
	Steps []step
}

// Bounds on what is kept, for somebody who plays for long.
const (
	maxChapters = 30
	maxSteps    = 60
)

// story is what happened, in order. It is safe for concurrent use.
type story struct {
	mu       sync.Mutex
	chapters []*chapter
}

// begin starts a chapter.
func (s *story) begin(title string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chapters = append(s.chapters, &chapter{Title: title})
	s.chapters = s.chapters[max(0, len(s.chapters)-maxChapters):]
}

// tell adds a step that is over.
func (s *story) tell(over step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(over)
}

// add is called with the lock held. It returns where the step is, or nil when there is no room.
func (s *story) add(added step) *chapter {
	if len(s.chapters) == 0 {
		s.chapters = append(s.chapters, &chapter{Title: "Before anything was asked"})
	}
	last := s.chapters[len(s.chapters)-1]
	if len(last.Steps) >= maxSteps {
		return nil
	}
	last.Steps = append(last.Steps, added)
	return last
}

// ask adds a step whose answer is yet to come, and returns how to add that. An answer that comes when others have been
// asked meanwhile is a step of its own, so that the story reads in the order of time.
func (s *story) ask(asked step) (answered func(answer []string, why string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.add(asked)
	if in == nil {
		return func([]string, string) {}
	}
	at := len(in.Steps) - 1
	return func(answer []string, why string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if at == len(in.Steps)-1 {
			in.Steps[at].Answer = answer
			return
		}
		in.Steps = append(in.Steps, step{From: asked.To, To: asked.From, Why: why, Answer: answer})
	}
}

// told returns what happened so far, the latest chapter last.
func (s *story) told() []chapter {
	s.mu.Lock()
	defer s.mu.Unlock()
	told := make([]chapter, len(s.chapters))
	for i, c := range s.chapters {
		told[i] = chapter{Title: c.Title, Steps: slices.Clone(c.Steps)}
	}
	return told
}

// write writes the story as plain text.
func (s *story) write(out io.Writer) {
	for _, c := range s.told() {
		fmt.Fprintf(out, "\n%s\n%s\n", c.Title, strings.Repeat("=", len(c.Title)))
		for i, step := range c.Steps {
			fmt.Fprintf(out, "\n%2d. %s -> %s\n", i+1, step.From, step.To)
			writeIndented(out, "    ", wrap(step.Why))
			writeIndented(out, "      > ", step.Request)
			writeIndented(out, "      < ", step.Answer)
		}
	}
}

func writeIndented(out io.Writer, indent string, lines []string) {
	for _, line := range lines {
		fmt.Fprintln(out, indent+line)
	}
}

// lineWidth is how long a sentence's lines get.
const lineWidth = 100

// wrap breaks a text into lines.
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
