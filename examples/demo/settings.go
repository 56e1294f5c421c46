package main

import (
	_ "embed"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/config"
)

// Names that are also in config.yaml.tmpl.
const (
	skillName        = "Contoso Pizza"
	skillClientID    = "pizza"
	skillScope       = "orders"
	backendID        = "pizza-backend"
	providerID       = "contoso"
	providerClientID = "alexa-bridge"
	vendorID         = "MDEMO00PIZZA"
	adminName        = "demo"

	configurationFile = "config.yaml"
)

//go:embed config.yaml.tmpl
var configurationText string

// settings are the values of config.yaml.tmpl.
type settings struct {
	PublicURL, Listen, AdminListen, Issuer, SkillID, ImplicitRedirectURI, CodeRedirectURI string
}

// load writes the configuration into the folder and loads it as the bridge does. It ignores warnings, such as the one
// about tokens that never expire.
func (s settings) load(folder string) (*config.Config, error) {
	text, err := s.text()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(folder, configurationFile)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, err
	}
	if err := unsetOverrides(); err != nil {
		return nil, err
	}
	loaded, _, err := config.Load(path)
	return loaded, err
}

// text returns the configuration file.
func (s settings) text() (string, error) {
	form, err := template.New(configurationFile).Parse(configurationText)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	err = form.Execute(&text, s)
	return text.String(), err
}

// unsetOverrides removes environment variables that override the configuration, because the demo must not use the
// database of a real bridge.
func unsetOverrides() error {
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "BRIDGE_") {
			if err := os.Unsetenv(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// secrets authenticate the parties.
type secrets struct {
	provider, skill, backend, scim, admin string
}

// Files with a header that authenticates a program. A command refers to them, so that no secret is in it.
const (
	adminHeader   = "admin.header"
	backendHeader = "backend.header"
)

// writeSecrets writes new random secrets to the files that the configuration and the commands of the page refer to.
func writeSecrets(folder string) (secrets, error) {
	made := secrets{
		provider: keys.Generate(), skill: keys.Generate(), backend: keys.Generate(), scim: keys.Generate(),
		admin: keys.Generate(),
	}
	basic := base64.StdEncoding.EncodeToString([]byte(backendID + ":" + made.backend))
	for name, text := range map[string]string{
		"bridge_key": keys.Generate(), "provider_secret": made.provider,
		"skill_secret": made.skill, "backend_secret": made.backend, "scim_token": made.scim, "admin_secret": made.admin,
		adminHeader: "Authorization: Bearer " + made.admin, backendHeader: "Authorization: Basic " + basic,
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text+"\n"), 0o600); err != nil {
			return secrets{}, err
		}
	}
	return made, nil
}
