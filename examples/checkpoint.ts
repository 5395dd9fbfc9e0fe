import { hvp, ScriptModule, type Tensor, torch } from 'optimum-shifting'

const model = (await ScriptModule.load('assets/fashion-resnet.pt')).eval()
const images = torch.rand([8, 1, 28, 28])
const labels = torch.randint(0, 10, [8], { dtype: 'int64' })

const hook = model.registerForwardHook('layer4', ({ output }) => console.log((output as Tensor).shape))
const loss = torch.cross_entropy_loss(await model.forward(images), labels) // any ATen operator, typed
hook.remove() // at any time; nothing of it reaches a saved file

const parameters = model.parameters()
const vector = parameters.map((parameter) => torch.randn_like(parameter))
const products = await hvp(loss, parameters, vector) // off the event loop
const w = torch.linalg_pinv(torch.rand([5, 9]), { rtol: 1e-6 })
console.log(products.length, w.shape)
