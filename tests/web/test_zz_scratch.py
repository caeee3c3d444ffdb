import time, threading, httpx
from tests.web.test_on_card_add_end_to_end import running_endpoint, PATH
def test_speed(database, register, make_token, connection):
    types=[register() for _ in range(5)]
    for t in types: t.store(connection,"A",1)
    with running_endpoint(database.url, make_token) as e:
        threading.Thread(target=lambda: [None for _ in e.process.stdout], daemon=True).start()
        body={"symbol":"A","dataTypes":[t.name for t in types]}
        xs=[]
        for i in range(300):
            t=time.perf_counter(); r=e.client.post(PATH,json=body); xs.append(time.perf_counter()-t); assert r.status_code==200
        xs.sort(); print("RESULT warm", xs[150]*1000, xs[297]*1000)
        xs=[]
        for i in range(100):
            t=time.perf_counter(); r=e.client.post(PATH,json={"symbol":f"S{i}","dataTypes":[types[0].name]}); xs.append(time.perf_counter()-t)
        xs.sort(); print("RESULT new key", xs[50]*1000, xs[98]*1000)
        xs=[]
        for i in range(300):
            t=time.perf_counter(); r=e.client.get("/healthz"); xs.append(time.perf_counter()-t)
        xs.sort(); print("RESULT healthz", xs[150]*1000, xs[297]*1000)
