package alexa

// Manifest is the part of a skill's manifest by which Alexa sends skill events to the authorization server. The rest of
// the manifest is the skill's own business.
type Manifest struct {
	Events Events `json:"events"`
}

// Events says which events are sent where. A manifest has one endpoint for all of them.
type Events struct {
	Endpoint      EventEndpoint  `json:"endpoint"`
	Subscriptions []Subscription `json:"subscriptions"`
}

// EventEndpoint is where events are sent.
type EventEndpoint struct {
	URI                string `json:"uri"`
	SSLCertificateType string `json:"sslCertificateType"`
}

// Subscription names events of one kind.
type Subscription struct {
	EventName string `json:"eventName"`
}

// Manifest returns the part of the manifest for the events that tell of account linking.
func (s Skill) Manifest() Manifest {
	return Manifest{Events{
		Endpoint:      EventEndpoint{URI: s.PublicURL + "/alexa/events", SSLCertificateType: "Trusted"},
		Subscriptions: []Subscription{{"SKILL_ACCOUNT_LINKED"}, {"SKILL_DISABLED"}},
	}}
}
