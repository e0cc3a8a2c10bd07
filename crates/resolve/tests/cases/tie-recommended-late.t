# The chosen provider recommends another one, which is taken then and requires the first.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: tex 1 1 noarch
#>=Req: libgs
#>=Pkg: gs 1 1 noarch
#>=Prv: libgs
#>=Rec: gs-x11
#>=Pkg: gs-x11 1 1 noarch
#>=Prv: libgs
#>=Req: gs
system x86_64 rpm system
solverflags ignorerecommended
job install name tex
result transaction,problems <inline>
#>install gs-1-1.noarch@available
#>install gs-x11-1-1.noarch@available
#>install tex-1-1.noarch@available
