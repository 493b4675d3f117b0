// Asks the sidecar about a payment; see njs.conf.

// Whether payments pass while the sidecar can't be asked, marked `x-risk-degraded: unasked`.
const FAIL_OPEN = true;
// What the payer gets otherwise.
const UNASKED = '{"type":"about:blank","title":"Payments can not be checked at the moment","status":503}';
const TOLD = ['decision', 'score', 'id', 'reasons', 'degraded'];

async function ask(r) {
    let answer;
    try {
        answer = await r.subrequest('/_authz', {method: r.method, body: r.requestText || ''});
    } catch (e) {
        r.error('tollgate: ' + e.message);
        r.return(500);
        return;
    }
    if (answer.status >= 500 && FAIL_OPEN) {
        r.variables.risk_degraded = 'unasked';
        r.internalRedirect('@gateway');
        return;
    }
    if (answer.status === 502 || answer.status === 504) {  // nginx' own: nobody answered
        r.headersOut['Content-Type'] = 'application/problem+json';
        r.return(503, UNASKED);
        return;
    }
    if (answer.status < 200 || answer.status > 299) {
        r.headersOut['Content-Type'] = answer.headersOut['Content-Type'] || 'text/plain';
        r.return(answer.status, answer.responseText);
        return;
    }
    TOLD.forEach(name => {
        r.variables['risk_' + name] = answer.headersOut['x-risk-' + name] || '';
    });
    r.internalRedirect('@gateway');
}

export default {ask};
