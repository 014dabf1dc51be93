"""The daemon and its doors: command line, settings, supervisor, HTTP API, page.

The command line (`hulta`, `python -P -m server`)
    __main__        a command for people, or a role for the supervisor
    cli             all commands; cli_frame: configuration, data directory, errors and exits of each
    cli_run         demo, run, record, ship, keep, serve; cli_simulate: cameras to try with
    city            a configuration as simulated cameras; fault_script: what is to go wrong with them
    cue             a line on standard input that says when
    cli_storm       storm: faults, kills and a verdict; storm_plan: from files to what is to be done
    cli_config      config check, apply; cli_cameras: list, add, remove, test; cli_check: check
    cli_verify      verify: what segment files prove by themselves
    cli_spool       spool show, accept: whose disk it is
    cli_store       store show, accept: whose object store it is
    cli_status      status; shipping_words: how the object store is; cli_footage: footage
    cli_export      export; all of them ask the API, by api_client
    cli_catalog     catalog migrate, backup: where the catalog is, and a copy of it
    demonstration   what `hulta demo` shows; announcer: says where the page is
    camera_probe    looks at one camera; camera_observation: what is learned; camera_verdict, codec_names: in words

The configuration
    yaml_loader     YAML with line numbers and ${VAR}; quantities: 62d, 40M, 127.0.0.1:8080
    settings        what the file may say; settings_fields: each value; settings_errors: what is wrong, in words
    desired         from the file to what the catalog is asked for; due: what that would delete
    settings_store  where the objects are; settings_catalog: where the catalog is
    catalog_access  opening the catalog; store_access: and the object store
    key_access      by which key credentials are sealed, and what children must not inherit
    spool_disk      whether the data directory's disk keeps what it promised; spool_access: that, and whose it is
    version         of this installation

The processes
    supervisor      keeps the roles alive; child: one of them; assigner: tells `record` its cameras
    role            what is common to roles; role_record, role_ship, role_keep, role_serve: what each is made of
    role_lock       one of each, and how a successor ends a stale one; parent: children end with their supervisor
    status_socket   how a role answers for itself; watchdog: how the supervisor does to systemd
    listener        the API's socket; log: what may be logged, and how

Alerts (in `keep`)
    alerting        looks at the recorder, hands alerts to the channels; alert_watch: what is worth one; alert: one
    alert_channel   a bounded queue that tries again; alert_webhook, alert_mail: the two ways out
    alert_file      what is open and what waits, across restarts; settings_alerts: what the file may say of it

The HTTP API
    http            the application; parts: what its handlers work with
    api_cameras, api_camera_test, api_remarks, api_recording, api_media, api_live, api_health, api_page    the routes
    api_schema      their JSON, described
    uninterrupted   since when a camera records: our restarts do not count
    camera_view     a camera as it is shown; camera_remarks: what is odd about it; fleet: what the roles say
    metrics         the same for Prometheus; metrics_storage: of spool and store; metrics_live: of live pictures
    live_viewer     one viewer's WebSocket; live_protocol: WebSockets that can be closed when nobody reads
    byte_ranges     bytes over HTTP; head: HEAD for every GET
    catalog_door    answers while the catalog cannot be opened
    auth            who may; api_token: by which word; problems: errors as RFC 9457
    security_headers    what every answer tells a browser
    page/           the operators' page and the API's documentation: plain files, nothing loaded from elsewhere

What holds
    1. Nothing here slows or stops `record`: not the catalog, not the API, not a viewer, not a faulty configuration.
    2. Every error a person can cause is a sentence that names what and where, with an exit code or a status of its own.
    3. No credential is in a log, an answer, a command line, an environment of a child, or a file but the sealed ones.
    4. Nothing is reachable from another host without the token, and no route can forget to ask for it.

Not here: what the commands and routes are about. That is ingest, storage, retention and playback.
"""
