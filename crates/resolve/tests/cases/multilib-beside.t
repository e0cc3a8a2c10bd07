# Packages of one name and two word sizes go together.
repo system 0 testtags <inline>
#>=Pkg: x 1 1 x86_64
#>=Prv: libx.so.1()(64bit)
repo available 0 testtags <inline>
#>=Pkg: a 1 1 i686
#>=Req: libx.so.1
#>=Pkg: x 1 1 i686
#>=Prv: libx.so.1
system x86_64 rpm system
poolflags implicitobsoleteusescolors
job install name a
result transaction,problems <inline>
#>install a-1-1.i686@available
#>install x-1-1.i686@available
