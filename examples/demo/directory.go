package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"alexa-oidc-bridge/bridge/upstreamtest"
)

// directory sends to the bridge what the directory of a company sends by SCIM 2.0 (RFC 7644).
type directory struct {
	endpoint string
	token    string
	client   *http.Client
}

func newDirectory(at origins, token string) *directory {
	return &directory{
		endpoint: at.Bridge + scimPath, token: token, client: &http.Client{Timeout: skillTimeout},
	}
}

// scimPath is the path of the bridge's SCIM endpoint.
const scimPath = "/scim/" + providerID + "/v2"

// Schemas of SCIM.
const (
	userSchema  = "urn:ietf:params:scim:schemas:core:2.0:User"
	patchSchema = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
)

// directoryUser is a user as a directory sends it.
type directoryUser struct {
	Schemas    []string `json:"schemas"`
	ID         string   `json:"id,omitempty"`
	UserName   string   `json:"userName"`
	ExternalID string   `json:"externalId"` // as in config.yaml.tmpl, the sub of the ID tokens
	Active     bool     `json:"active"`
}

type directoryPatch struct {
	Schemas    []string             `json:"schemas"`
	Operations []directoryOperation `json:"Operations"`
}

type directoryOperation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value bool   `json:"value"`
}

// setActive activates or deactivates a person, whom the bridge need not know yet.
func (d *directory) setActive(ctx context.Context, person upstreamtest.Person, active bool) error {
	id, err := d.find(ctx, person)
	if err == nil && id == "" {
		id, err = d.create(ctx, person)
	}
	if err != nil {
		return err
	}
	patch := directoryPatch{[]string{patchSchema}, []directoryOperation{{"replace", "active", active}}}
	return d.send(ctx, http.MethodPatch, "/Users/"+id, patch, nil)
}

// find returns the bridge's id of a person, or "".
func (d *directory) find(ctx context.Context, person upstreamtest.Person) (string, error) {
	var list struct{ Resources []directoryUser }
	filter := url.Values{"filter": {fmt.Sprintf("externalId eq %q", person.Subject)}}
	err := d.send(ctx, http.MethodGet, "/Users?"+filter.Encode(), nil, &list)
	if err != nil || len(list.Resources) == 0 {
		return "", err
	}
	return list.Resources[0].ID, nil
}

// create creates a person at the bridge and returns the id.
func (d *directory) create(ctx context.Context, person upstreamtest.Person) (string, error) {
	var created directoryUser
	err := d.send(ctx, http.MethodPost, "/Users", directoryUser{
		Schemas: []string{userSchema}, UserName: person.Email, ExternalID: person.Subject, Active: true,
	}, &created)
	return created.ID, err
}

// send sends a request, and decodes the response unless it is not wanted.
func (d *directory) send(ctx context.Context, method, path string, body, response any) error {
	var content bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&content).Encode(body); err != nil {
			return err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, d.endpoint+path, &content)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+d.token)
	request.Header.Set("Content-Type", "application/scim+json")
	got, err := d.client.Do(request)
	if err != nil {
		return fmt.Errorf("the bridge does not respond to the directory: %w", withoutURL(err))
	}
	defer got.Body.Close()
	if got.StatusCode/100 != 2 {
		return fmt.Errorf("the bridge responded to the directory with status %d", got.StatusCode)
	}
	if response == nil {
		return nil
	}
	return json.NewDecoder(io.LimitReader(got.Body, maxResponse)).Decode(response)
}
