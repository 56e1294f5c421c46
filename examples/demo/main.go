// Command demo shows what alexa-oidc-bridge does, on one computer, without Amazon and without a company's sign-in:
//
//	go run ./examples/demo          prints a URL; open it, enable the skill by either grant, link, and ask; then end the
//	                                link as the person, as the operator, or as the company that disables the account
//	go run ./examples/demo -once    does the same without a browser and prints what happened
//
// The bridge is real, with its configuration file and its database, and so is the OpenID Provider. Alexa is
// simulated. The skill's backend does what a real one would do. Each party has a loopback port of its own:
//
//	demo.go          starts and stops all parties; settings.go writes the bridge's configuration (config.yaml.tmpl)
//	alexa.go         Alexa: starts to link and sends requests (envelope.go) to the skill
//	arrival.go       Alexa's redirect URIs; tokens.go redeems codes and refreshes access tokens
//	events.go        the events by which Alexa tells the bridge who has linked, and who has disabled the skill
//	operator.go      the operator, who revokes links by the command and over the admin API
//	company.go       the company's administrator, who disables accounts; directory.go tells the bridge by SCIM
//	skill.go         the skill's backend, which looks up tokens
//	app.go           the pages of the demo; guide.go says what to do next
//	transcript.go    what was sent; recorder.go, annotations.go and describe.go record, explain and format it
//	once.go          -once
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// options are the flags of the command line.
type options struct {
	once bool
	port int
}

// onceTimeout limits -once.
const onceTimeout = time.Minute

// run executes the command and returns its exit code.
func run(args []string, stdout, stderr io.Writer) int {
	chosen, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	play := serve
	if chosen.once {
		play = once
	}
	if err := play(ctx, chosen, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "demo:", err)
		return 1
	}
	return 0
}

func parse(args []string, stderr io.Writer) (options, error) {
	var chosen options
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&chosen.once, "once", false, "run without a browser, print what happened, and exit")
	flags.IntVar(&chosen.port, "port", 0, "the `port` of the page to open; 0: a free port")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "demo: unexpected argument %q; see -help\n", flags.Arg(0))
		return options{}, errors.New("unexpected arguments")
	}
	return chosen, nil
}

// serve runs the demo for a browser until the context ends.
func serve(ctx context.Context, chosen options, stdout, stderr io.Writer) error {
	d, err := startDemo(chosen.port, stderr)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "Open this page in a browser:\n\n  %s\n\n", d.origins.Alexa)
	fmt.Fprintf(stdout, "Press Ctrl-C to stop the demo and remove its folder, %s\n", d.folder)
	<-ctx.Done()
	fmt.Fprintln(stdout, "\nStopping.")
	return d.stop()
}

// once runs the demo without a browser. The bridge's log is printed after the transcript.
func once(ctx context.Context, chosen options, stdout, stderr io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, onceTimeout)
	defer cancel()
	var log bytes.Buffer // the logger serializes its writes
	d, err := startDemo(chosen.port, &log)
	if err != nil {
		log.WriteTo(stderr)
		return err
	}
	err = errors.Join(playOnce(ctx, d, stdout), d.stop())
	fmt.Fprintf(stdout, "\nThe bridge’s log, warnings only:\n\n%s", &log)
	return err
}
