package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/upstream"
)

// tally is which links would be ended, and of whom.
type tally struct {
	ids    []string
	people map[bridge.Hash]bool
	names  []string // of the first few
}

const (
	maxPeople = 10_000 // that a tally counts
	maxNames  = 5
)

func (t *tally) add(links []bridge.Link) {
	if t.people == nil {
		t.people = map[bridge.Hash]bool{}
	}
	for i := range links {
		link := &links[i]
		t.ids = append(t.ids, link.ID)
		if person := link.Person(); !t.people[person] && len(t.people) < maxPeople {
			t.people[person] = true
			if len(t.names) < maxNames {
				t.names = append(t.names, upstream.LogText(cmp.Or(personOf(link), link.Subject)))
			}
		}
	}
}

func (t *tally) String() string {
	people := count(len(t.people), "person", "people")
	if len(t.people) == maxPeople {
		people = fmt.Sprintf("%d or more people", maxPeople)
	}
	names := strings.Join(t.names, ", ")
	if more := len(t.people) - len(t.names); more > 0 {
		names += " and others"
	}
	return fmt.Sprintf("%s of %s (%s)", count(len(t.ids), "link", "links"), people, names)
}

// count returns a number with its noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// atTerminal reports whether somebody can be asked: both where they read and where they write is a terminal.
func atTerminal(cmd *cobra.Command) bool {
	return isTerminal(cmd.InOrStdin()) && isTerminal(cmd.ErrOrStderr())
}

func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && isatty.IsTerminal(file.Fd())
}

// confirm asks whether links are to be ended, and returns an error unless the answer is yes.
func (e *ending) confirm(ctx context.Context, cmd *cobra.Command, found tally) error {
	fmt.Fprintf(cmd.ErrOrStderr(), "%s will be %s. Type yes to go on: ", found.String(), e.done)
	answers := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), 1<<10)).ReadString('\n')
		answers <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case answer := <-answers:
		if answer == "yes" || answer == "y" {
			return nil
		}
	case <-ctx.Done():
		fmt.Fprintln(cmd.ErrOrStderr())
	}
	return failed(errors.New("not confirmed: nothing was changed"), "type yes, or use --yes or --expect")
}
