package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"alexa-oidc-bridge/bridge/sqlstore"
)

// options is what the command line says.
type options struct {
	quick       bool
	verbose     bool
	links       []int
	stores      []string
	storesGiven bool
	only        []string
	rounds      int
	duration    time.Duration
	connections int
	working     int // tokens in use
	memory      string
	data        string
	program     string
	profile     string
	noWrk       bool
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	var stores, only string
	flags := flag.NewFlagSet("loadtest", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&o.quick, "quick", false, "a few seconds in all, with few links: to see that it works")
	flags.BoolVar(&o.verbose, "v", false, "print every round, and what is going on")
	flags.String("links", "10000,1000000,10000000", "how many `links` are kept")
	flags.StringVar(&stores, "stores", "", "the `stores` to keep them in, of "+strings.Join(allStores(), ",")+"; empty: those that are installed")
	flags.StringVar(&only, "only", "", "measure only these `subjects`, of "+strings.Join(subjects(), ","))
	flags.IntVar(&o.rounds, "rounds", 9, "how many `rounds`, of which the median counts")
	flags.DurationVar(&o.duration, "duration", time.Second, "how `long` a round takes")
	flags.IntVar(&o.connections, "connections", 32, "how many `connections` ask at once")
	flags.IntVar(&o.working, "working", 100_000, "how many `tokens` are in use, in turn")
	flags.StringVar(&o.memory, "memory", "64MiB", "the bridge's lookup.memory, a `size`")
	flags.StringVar(&o.data, "data", "", "a `folder` to keep SQLite databases in for the next time; empty: they are removed")
	flags.StringVar(&o.program, "program", "", "the `file` of an alexa-oidc-bridge that was built before; empty: it is built")
	flags.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile of hot lookups to this `file`, from a round that does not count")
	flags.BoolVar(&o.noWrk, "no-wrk", false, "do without wrk even if it is there")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if o.quick {
		setUnless(flags, map[string]string{"links": "10000", "rounds": "1", "duration": "500ms", "working": "4000"})
	}
	err := o.read(flags, stores, only)
	if err != nil {
		fmt.Fprintf(stderr, "loadtest: %v; see -help\n", err)
	}
	return o, err
}

// setUnless sets flags that the command line does not set.
func setUnless(flags *flag.FlagSet, values map[string]string) {
	flags.Visit(func(given *flag.Flag) { delete(values, given.Name) })
	for name, value := range values {
		flags.Set(name, value) // never fails: the values are ours
	}
}

func (o *options) read(flags *flag.FlagSet, stores, only string) error {
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is not expected", flags.Arg(0))
	}
	for _, text := range list(flags.Lookup("links").Value.String()) {
		n, err := strconv.Atoi(text)
		if err != nil || n < 5000 || n > 1<<31 {
			return fmt.Errorf("-links: %q is not a number from 5000", text)
		}
		o.links = append(o.links, n)
	}
	var err error
	if o.stores, err = subset("stores", stores, allStores()); err != nil {
		return err
	}
	o.storesGiven = stores != ""
	if o.only, err = subset("only", only, subjects()); err != nil {
		return err
	}
	if o.rounds < 1 || o.duration < 10*time.Millisecond || o.connections < 1 || o.working < 2 {
		return errors.New("-rounds and -connections are 1 or more, -working is 2 or more, -duration is 10ms or more")
	}
	return nil
}

func allStores() []string { return []string{sqlstore.SQLite, sqlstore.PostgreSQL} }

func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' })
}

// subset reads a list of what there is; an empty one is all of it.
func subset(name, text string, all []string) ([]string, error) {
	chosen := list(text)
	for _, one := range chosen {
		if !slices.Contains(all, one) {
			return nil, fmt.Errorf("-%s: %q is none of %s", name, one, strings.Join(all, ", "))
		}
	}
	if len(chosen) == 0 {
		return all, nil
	}
	return chosen, nil
}
