package lookup

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// IsEvent reports whether the request is a skill event, such as AlexaSkillEvent.SkillDisabled; see
// [Client.ForwardEvent].
func (r *Request) IsEvent() bool {
	return r.Kind == Custom && strings.HasPrefix(r.Type, "AlexaSkillEvent.")
}

// ForwardEvent sends a skill event to the bridge, exactly as Alexa sent it. It is for a skill on AWS Lambda that gets
// events there: Alexa does not sign what it sends to Lambda, so the backend vouches for it. The bridge accepts events
// of the skills that the backend serves, for an hour. After [ErrUnavailable] send the event again, or let the function
// fail so that Alexa does.
func (c *Client) ForwardEvent(ctx context.Context, event []byte) error {
	return c.tell(ctx, "/alexa/events", "application/json", string(event))
}

// ReportDisabled ends the link of a person, by its Person.LinkID, because Alexa's event gateway answered
// SKILL_DISABLED_EXCEPTION when the skill sent an event for that person. A link that has ended, or that is unknown, is
// no error.
func (c *Client) ReportDisabled(ctx context.Context, linkID string) error {
	return c.tell(ctx, "/alexa/disabled", formType, url.Values{"link_id": {linkID}}.Encode())
}

// tell sends something to another endpoint of the bridge, whose URL begins as that of /lookup. Errors contain nothing
// of it.
func (c *Client) tell(ctx context.Context, path, contentType, body string) error {
	origin, found := strings.CutSuffix(c.Endpoint, "/lookup")
	if !found {
		return errors.New("lookup: Endpoint does not end in /lookup, so the URL of " + path + " is not known")
	}
	request, err := c.newRequest(ctx, origin+path, contentType, body)
	if err != nil {
		return err
	}
	response, err := c.httpClient().Do(request)
	if urlError, ok := errors.AsType[*url.Error](err); ok {
		err = urlError.Err
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusOK:
		return nil
	case mayPass(response.StatusCode):
		return fmt.Errorf("%w: status %d of %s", ErrUnavailable, response.StatusCode, path)
	}
	return fmt.Errorf("lookup: status %d of %s; the log of the bridge says why", response.StatusCode, path)
}
