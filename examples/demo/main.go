// Command demo shows on one computer, without Amazon and without a company's sign-in, what alexa-oidc-bridge does:
//
//	go run ./examples/demo          prints one URL; open it, enable the skill by either grant, link, and ask
//	go run ./examples/demo -once    plays the same without a browser and prints what happened
//
// Real are the bridge, with its YAML configuration and its database, and the protocol of the OpenID Provider. Pretended are
// Alexa and the skill, of which the skill's side is what a real one would do. Every party has a port of its own:
//
//	alexa.go     what Alexa does: begins to link, keeps its tokens, sends requests (envelope.go) to the skill
//	arrival.go   how the answer comes back to it; tokens.go gets and renews tokens by the code grant
//	app.go       what the Alexa app shows; guide.go says what to do next
//	skill.go     the skill's backend, which looks tokens up
//	world.go     starts and stops them all; settings.go writes the bridge's configuration (config.yaml.tmpl)
//	story.go     what was sent from whom to whom; recorder.go, lessons.go and describe.go write it down
//	once.go      plays it without a browser
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

// options is what the command line says.
type options struct {
	once bool
	port int
}

// onceWithin is how long all of -once may take.
const onceWithin = time.Minute

// run is the command. It returns the exit code.
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
	flags.BoolVar(&chosen.once, "once", false, "play it without a browser, print what happened, and end")
	flags.IntVar(&chosen.port, "port", 0, "the `port` of the page to open; 0 is a free one")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "demo: %q is not expected; see -help\n", flags.Arg(0))
		return options{}, errors.New("arguments are given")
	}
	return chosen, nil
}

// serve runs the demo for a browser until the context ends.
func serve(ctx context.Context, chosen options, stdout, stderr io.Writer) error {
	w, err := startWorld(chosen.port, stderr)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "Open this page in a browser:\n\n  %s\n\n", w.origins.Alexa)
	fmt.Fprintf(stdout, "Ctrl-C ends the demo and removes its folder, %s\n", w.folder)
	<-ctx.Done()
	fmt.Fprintln(stdout, "\nStopping.")
	return w.stop()
}

// once plays the demo without a browser. What the bridge logs comes after the story.
func once(ctx context.Context, chosen options, stdout, stderr io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, onceWithin)
	defer cancel()
	var log bytes.Buffer // written by one logger, which locks
	w, err := startWorld(chosen.port, &log)
	if err != nil {
		log.WriteTo(stderr)
		return err
	}
	err = errors.Join(playOnce(ctx, w, stdout), w.stop())
	fmt.Fprintf(stdout, "\nThe bridge’s log, warnings only:\n\n%s", &log)
	return err
}
