package main

import (
	_ "embed"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/config"
)

// What is the same in every demo. The names stand in config.yaml.tmpl too.
const (
	skillName        = "Contoso Pizza"
	skillClientID    = "pizza"
	skillScope       = "orders"
	backendID        = "pizza-backend"
	providerID       = "contoso"
	providerClientID = "alexa-bridge"
	vendorID         = "MDEMO00PIZZA"

	configurationFile = "config.yaml"
)

//go:embed config.yaml.tmpl
var configurationText string

// settings is what differs from one demo to the next.
type settings struct {
	PublicURL, Listen, AdminListen, Issuer, ImplicitRedirectURI, CodeRedirectURI string
}

// load writes the configuration into the folder and reads it as the bridge does. What would be unwise in earnest, such as
// tokens that never expire, is good enough here, so warnings are passed over.
func (s settings) load(folder string) (*config.Config, error) {
	text, err := s.text()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(folder, configurationFile)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, err
	}
	if err := forgetOverrides(); err != nil {
		return nil, err
	}
	loaded, _, err := config.Load(path)
	return loaded, err
}

// text is the configuration.
func (s settings) text() (string, error) {
	form, err := template.New(configurationFile).Parse(configurationText)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	err = form.Execute(&text, s)
	return text.String(), err
}

// forgetOverrides takes variables out of the environment that would win over the configuration. Somebody who runs a bridge
// has them set, and the demo must not touch the database that they name.
func forgetOverrides() error {
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

// secrets are what parties authenticate with.
type secrets struct {
	provider, skill, backend string
}

// writeSecrets makes fresh secrets, each in a file of its own that the configuration names.
func writeSecrets(folder string) (secrets, error) {
	made := secrets{provider: keys.Generate(), skill: keys.Generate(), backend: keys.Generate()}
	for name, secret := range map[string]string{
		"bridge_key": keys.Generate(), "provider_secret": made.provider, "skill_secret": made.skill, "backend_secret": made.backend,
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(secret+"\n"), 0o600); err != nil {
			return secrets{}, err
		}
	}
	return made, nil
}
