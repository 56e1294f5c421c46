// The response is in the fragment, which browsers do not send to servers. Send it to Alexa, and remove it from the address
// bar and the history.
const form = document.querySelector("form");
form.elements.fragment.value = location.hash.slice(1);
history.replaceState(null, "", location.pathname);
form.submit();
