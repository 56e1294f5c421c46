package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"alexa-oidc-bridge/bridge"
)

// revokeLinks revokes all links of the skill, as `alexa-oidc-bridge links revoke --skill` does.
func (d *demo) revokeLinks(ctx context.Context) error {
	d.transcript.startSection("The operator revokes the link")
	ended, err := d.store.Revoke(ctx, bridge.LinkFilter{ClientID: skillClientID}, bridge.Revocation{
		Reason: bridge.ReasonOperator, Actor: "command:demo", At: time.Now(),
	})
	if err != nil {
		return err
	}
	d.transcript.add(revokeStep(ended))
	return nil
}

// revokeFilter is the body of the admin API's request to revoke all links of the skill.
const revokeFilter = `{"filter": {"skill": "` + skillClientID + `"}}`

// revokeByAPI does the same as a program of the operator, over the admin API.
func (d *demo) revokeByAPI(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, d.origins.Admin+revokePath,
		strings.NewReader(revokeFilter))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+d.secrets.admin)
	request.Header.Set("Content-Type", "application/json")
	response, err := (&http.Client{Timeout: skillTimeout}).Do(request)
	if err != nil {
		return withoutURL(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the admin API responded with status %d", response.StatusCode)
	}
	return nil
}

// commands are what to run in another terminal, in the folder of this repository. No secret is in them.
type commands struct {
	List, Revoke, API string
	Disabled          string // by the skill's backend; empty: there is no link
}

func (d *demo) commands(link *lastLink) commands {
	file := func(name string) string { return filepath.Join(d.folder, name) }
	links := func(action, rest string) string {
		return "go run ./cmd/alexa-oidc-bridge links " + action + " --config " + quote(file(configurationFile)) + rest
	}
	shown := commands{
		List:   links("list", ""),
		Revoke: links("revoke", " --skill "+skillClientID),
		API: "curl -H " + quote("@"+file(adminHeader)) + " -H 'Content-Type: application/json' -d '" + revokeFilter + "' " +
			d.origins.Admin + revokePath,
	}
	if link != nil && link.Live {
		shown.Disabled = "curl -H " + quote("@"+file(backendHeader)) + " -d link_id=" + link.ID + " " +
			d.origins.Bridge + disabledPath
	}
	return shown
}

// quote returns a word of a shell command.
func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
