"""What comes in: the websocket to Discord, resume, durable intake, presence.

    session     the connection state machine, pure          closing     what each close code means
    compression zlib-stream, zstd-stream, json              decode      frames
    socket      one websocket, sending and reading          lookup      ``/gateway/bot``, identify limits
    events      which dispatches are kept, and as what      facts       what the workers must know
    buffer      the bounded read-ahead                      intake      the writer: buffer → Redis, a chain
    presence    the static presence                         backstop    interactions nobody answered
    shard       one connection with its threads             holder      one gateway per account
    listener    the process

Imports neither tasks nor workers nor Celery.
"""
